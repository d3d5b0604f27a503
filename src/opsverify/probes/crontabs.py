"""What runs by itself: the lines of crontabs and of anacron's table, and the commands of systemd's timers."""

from __future__ import annotations

import re

from opsverify.errors import UnansweredError
from opsverify.shell.facts import Job

FIELD = r"[0-9A-Za-z*/,~-]+"
TIMES = rf"(?:@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly|every_\w+)|(?:{FIELD}[ \t]+){{4}}{FIELD})"
SYSTEM_LINE = re.compile(rf"[ \t]*-?{TIMES}[ \t]+(?P<user>[^\s:]+)(?::\S*)?[ \t]+(?P<command>\S.*)", re.DOTALL)
USER_LINE = re.compile(rf"[ \t]*-?{TIMES}[ \t]+(?P<command>\S.*)", re.DOTALL)
ANACRON_LINE = re.compile(r"[ \t]*(?:\d+|@\w+)[ \t]+\d+[ \t]+\S+[ \t]+(?P<command>\S.*)", re.DOTALL)
SETTING = re.compile(r"""[ \t]*(["']?)(?P<name>[A-Za-z_]\w*)\1[ \t]*=[ \t]*(?P<value>.*)""", re.DOTALL)


def parse_crontab(path: str, text: str, user: str | None = None) -> tuple[Job, ...]:
    """The jobs of a crontab: the system's, whose lines name the user, or that of ``user``.

    Raises:
        UnansweredError: a line is neither a job, a setting nor a comment.
    """
    pattern = SYSTEM_LINE if user is None else USER_LINE
    found: list[Job] = []
    environment: dict[str, str] = {}
    for number, line in enumerate(re.split(r"\r?\n|\r", text), 1):
        if not line.strip() or line.lstrip(" \t").startswith("#"):
            continue
        job, setting = pattern.fullmatch(line), SETTING.fullmatch(line)
        if setting:
            value = setting["value"].strip()
            environment[setting["name"]] = value[1:-1] if re.fullmatch(r"(['\"]).*\1", value) else value
        elif job:
            who = user if user is not None else job["user"]
            found.append(Job(f"{path}:{number}", _command(job["command"]), who, tuple(environment.items())))
        else:
            raise UnansweredError(f"{path}:{number}: this line of a crontab is not understood: {line[:200]!r}")
    return tuple(found)


def _command(text: str) -> str:
    """Cron's own quoting: what follows a bare ``%`` is the command's input; what it could hold is run by a shell."""
    command, *given = re.split(r"(?<!\\)%", text)
    document = "".join(f"\n{line}" for line in given)
    return (f"{command} <<'END_OF_INPUT'{document}\nEND_OF_INPUT" if given else command).replace("\\%", "%")


def parse_anacrontab(path: str, text: str) -> tuple[Job, ...]:
    """The jobs of anacron's table.

    Raises:
        UnansweredError: a line is neither a job, a setting nor a comment.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#") or SETTING.fullmatch(line):
            continue
        job = ANACRON_LINE.fullmatch(line)
        if job is None:
            raise UnansweredError(f"{path}:{number}: this line of anacron's table is not understood: {line[:200]!r}")
        found.append(Job(f"{path}:{number}", job["command"]))
    return tuple(found)


def parse_timers(text: str) -> tuple[str, ...]:
    """The units that timers activate, from ``systemctl list-timers --all --no-legend --plain``.

    Raises:
        UnansweredError: a line does not end in a timer and a unit.
    """
    found = []
    for line in filter(str.strip, text.splitlines()):
        units = re.search(r"(\S+\.timer)\s+(\S+\.\w+)\s*$", line)
        if units is None:
            raise UnansweredError(f"systemctl list-timers: this line is not understood: {line[:200]!r}")
        found.append(units[2])
    return tuple(dict.fromkeys(found))


def parse_units(text: str) -> tuple[Job, ...]:
    """The commands of units, as ``systemctl cat`` shows them: a comment with the path, then the file."""
    found: list[Job] = []
    for unit in re.split(r"^(?=# /[^\n]*\.\w+$)", re.sub(r"\\\n", " ", text.replace("\r\n", "\n")), flags=re.MULTILINE):
        path, commands, environment = "a unit", [], []
        for line in unit.splitlines():
            key, equals, value = (each.strip() for each in line.partition("="))
            if re.fullmatch(r"# /\S+\.\w+", line):
                path = line.removeprefix("# ")
            elif equals and key == "Environment":
                environment += re.findall(r"(\w+)=([^\"\s]*)", value)
            elif equals and key.startswith("Exec") and value:
                commands.append(re.sub(r"^[@:+!|-]+", "", value).replace("%%", "%"))
        found += [Job(path, each, "root", tuple(environment)) for each in commands]
    return tuple(found)
