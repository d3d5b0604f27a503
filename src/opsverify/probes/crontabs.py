"""What runs by itself: the lines of crontabs and of anacron's table, and the commands of systemd's timers."""

from __future__ import annotations

import re

from opsverify.errors import UnansweredError
from opsverify.probes.tmpfiles import specified
from opsverify.shell.facts import Job

FIELD = r"[0-9A-Za-z*/,~-]+"
TIMES = rf"(?:@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly|every_\w+)|(?:{FIELD}[ \t]+){{4}}{FIELD})"
SYSTEM_LINE = re.compile(rf"[ \t]*-?{TIMES}[ \t]+(?P<user>[^\s:]+)(?::\S*)?[ \t]+(?P<command>\S.*)", re.DOTALL)
USER_LINE = re.compile(rf"[ \t]*-?{TIMES}[ \t]+(?P<command>\S.*)", re.DOTALL)
VARIABLE = r"(\w+)=([^\"\s]*)"
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
        timer, unit = line.split()[-2:] if len(line.split()) > 1 else ("", "")
        if not (timer.endswith(".timer") and re.search(r"\.\w+$", unit)):
            raise UnansweredError(f"systemctl list-timers: this line is not understood: {line[:200]!r}")
        found.append(unit)
    return tuple(dict.fromkeys(found))


def parse_units(text: str) -> tuple[Job, ...]:
    """The commands of units, as ``systemctl cat`` shows them: a comment with the path, then the file.

    What a drop-in sets holds for its unit. A specifier (``%i``) may be anything, and so may a variable of a unit that
    takes its environment from a file.
    """
    files = re.split(r"^(?=# /[^\n]*\.\w+$)", re.sub(r"\\\n", " ", text.replace("\r\n", "\n")), flags=re.MULTILINE)
    units: dict[str, list[tuple[str, str, str]]] = {}
    for each in files:
        path = re.match(r"# (/\S+\.\w+)$", each, re.MULTILINE)
        where = path[1] if path else "a unit"
        unit = re.sub(r"\.d/[^/]*$", "", where).rpartition("/")[2]
        for line in each.splitlines():
            key, equals, value = (part.strip() for part in line.partition("="))
            if equals:
                units.setdefault(unit, []).append((where, key, value))
    return tuple(job for settings in units.values() for job in _unit(settings))


def _unit(settings: list[tuple[str, str, str]]) -> list[Job]:
    """The commands of one unit: its settings with the file that each stands in."""
    said = [(key, specified(value)) for _, key, value in settings]
    folder = next((value for key, value in reversed(said) if key == "WorkingDirectory"), "").removeprefix("-") or "/"
    environment = [pair for key, value in said if key == "Environment" for pair in re.findall(VARIABLE, value)]
    if any(key == "EnvironmentFile" and value for key, value in said):
        environment = []
    return [
        Job(where, specified(re.sub(r"^[@:+!|-]+", "", value)), "root", tuple(environment), folder)
        for where, key, value in settings
        if key.startswith("Exec") and value
    ]
