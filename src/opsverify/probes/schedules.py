"""All that a host runs by itself: crontabs, timers, the scripts they lead to, logrotate and systemd-tmpfiles."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about, absent, output
from opsverify.probes.crontabs import parse_anacrontab, parse_crontab, parse_timers, parse_units
from opsverify.probes.logrotate import TABOO, Configuration, parse_logrotate
from opsverify.probes.scripts import parse_interpreter
from opsverify.probes.tmpfiles import Cleaning, parse_tmpfiles
from opsverify.shell.commands import HANDLERS, PRINTERS, SHELLS
from opsverify.shell.facts import Followed, Job, Text
from opsverify.shell.runs import Reader
from opsverify.shell.values import known

SPOOL = "/var/spool/cron/crontabs"
LOGROTATE = "/etc/logrotate.conf"
CRONTABS = re.compile(r"/etc/crontab|/etc/cron\.d/[^/]+")
PERIODIC = re.compile(r"/etc/cron\.(hourly|daily|weekly|monthly|yearly)/[^/]+")
RUN_BY_DEBIAN = re.compile(r"[A-Za-z0-9_-]+")  # the names that cron and run-parts do not pass over
CONFIGURED = re.compile(r"tmpreaper|tmpwatch")  # packaged, but they delete what their configuration says
LARGEST = 256 * 1024  # bytes of a script
MOST_FILES = 60  # of one question
DEEPEST = 8  # scripts that lead to scripts
# A bare assignment to a name like these may hold a secret, which has no place in a transcript.
ASSIGNED = (
    r"^[[:space:]]*(export[[:space:]]+)?[A-Za-z_]*(pass|secret|token|key|credential)[A-Za-z_]*="
    r"(\"[^\"$`]*\"|'[^']*'|[^][:space:]\"'$`;&|<>()]*)[[:space:]]*$"
)


@dataclass(frozen=True)
class FoundFile:
    """A file as ``find`` lists it (links followed); ``readable`` by the account that asks."""

    path: str
    kind: str
    mode: int
    size: int
    readable: bool


@dataclass(frozen=True)
class Schedule:
    """What a host runs by itself, read and followed.

    ``seen`` counts the sources by kind; ``packaged`` are files that lie as their package delivered them, and are taken
    to delete nothing but their own.
    """

    host: str
    followed: Followed
    rotations: Configuration
    cleanings: tuple[Cleaning, ...]
    seen: Mapping[str, int]
    packaged: tuple[str, ...]


def schedule(host: Host, declared: tuple[str, ...] = ()) -> Schedule:
    """Read all sources of a host; ``declared`` are scripts that are known to run there.

    Raises:
        UnansweredError: a source cannot be read, or is not understood.
        InsufficientFactsError: scripts lead to scripts, too deep to be followed.
    """
    with about(f"host {host.name}"):
        conffiles = _conffiles(host)
        files = [each for each in _etc(host) if each.kind == "f"]
        packaged = _packaged(host, files, conffiles or {})
        mine = [each for each in files if each.path not in packaged and _runs(each, debian=conffiles is not None)]
        texts = _read(host, [each.path for each in mine if not PERIODIC.fullmatch(each.path)])
        jobs = [job for path, text in texts.items() if CRONTABS.fullmatch(path) for job in parse_crontab(path, text)]
        if "/etc/anacrontab" in texts:
            jobs += parse_anacrontab("/etc/anacrontab", texts["/etc/anacrontab"])
        jobs += [Job(each.path, each.path) for each in mine if PERIODIC.fullmatch(each.path)]
        personal = _user_crontabs(host)
        timers, cleanings = _systemd(host)
        if not jobs and not timers:
            raise InsufficientFactsError("neither a crontab nor a timer of systemd's can be seen")
        jobs += [*personal, *timers, *(Job(each, each) for each in declared)]
        followed, rotations = _followed(host, jobs, texts)
        followed = replace(followed, doubts=(*followed.doubts, *_queued(host)))
        seen = {
            "jobs of crontabs and timers": len(jobs),
            "of them of users and of systemd": len(personal) + len(timers),
            "commands": len(followed.ran),
            "entries of logrotate": len(rotations.rotations),
            "lines of tmpfiles.d": len(cleanings),
        }
        return Schedule(host.name, followed, rotations, cleanings, seen, tuple(sorted(packaged)))


def _runs(file: FoundFile, *, debian: bool) -> bool:
    """Whether a file of /etc is one that is read or run from there."""
    name = posixpath.basename(file.path)
    if file.path in (LOGROTATE, "/etc/crontab", "/etc/anacrontab") or "/logrotate.d/" in file.path:
        return True
    named = bool(RUN_BY_DEBIAN.fullmatch(name)) if debian else not TABOO.search(name)
    periodic = PERIODIC.fullmatch(file.path) is not None and bool(file.mode & 0o111)
    return named and (periodic or CRONTABS.fullmatch(file.path) is not None)


def _listed(host: Host, paths: Sequence[str], depth: int) -> list[FoundFile]:
    """What ``find`` lists of the paths, down to a depth; those that are not there are left out."""
    shown = r"%Y\t%m\t%s\t%p\0"
    question = ["find", "-H", *paths, "-maxdepth", str(depth), "-readable", "-printf", f"r\\t{shown}", "-o"]
    result = host.run(shlex.join([*question, "-printf", f"n\\t{shown}"]))
    problems = [line for line in result.stderr.splitlines() if not line.endswith("No such file or directory")]
    if problems:
        raise UnansweredError(f"asked find for {', '.join(paths)[:200]}, it said: {problems[0]}")
    return parse_listed(result.stdout_bytes.decode("utf-8", "backslashreplace"))


def parse_listed(text: str) -> list[FoundFile]:
    """Parse what `_listed` asks for: readable or not, kind, mode, size and path, ended by NUL.

    Raises:
        UnansweredError: a part of it is not understood.
    """
    found = []
    for each in filter(None, text.split("\0")):
        parts = re.fullmatch(r"([rn])\t(\w)\t([0-7]+)\t(\d+)\t(.+)", each, re.DOTALL)
        if parts is None:
            raise UnansweredError(f"find: this is not understood: {each[:200]!r}")
        found.append(FoundFile(parts[5], parts[2], int(parts[3], 8), int(parts[4]), parts[1] == "r"))
    return sorted(found, key=lambda each: each.path)


def _etc(host: Host) -> list[FoundFile]:
    """The folders of cron and logrotate in /etc, with all that is in them, from one question."""
    shown = ["-printf", r"r\t%Y\t%m\t%s\t%p\0", "-o"]
    wanted = [word for each in ("cron*", "anacrontab", "logrotate*") for word in ("-path", f"/etc/{each}", *shown)]
    question = ["find", "-H", "/etc", "-maxdepth", "2", *wanted, "-path", "/etc/*", "-prune"]
    return parse_listed(output(host, shlex.join(question)))


def _read(host: Host, paths: Sequence[str]) -> dict[str, str]:
    """Texts of files, without bare assignments to names that may hold secrets; the lines keep their numbers."""
    found = {}
    for begin in range(0, len(paths), MOST_FILES):
        some = paths[begin : begin + MOST_FILES]
        result = host.run(shlex.join(["grep", "-aHnivE", "-e", ASSIGNED, "--", *some]))
        if result.rc not in (0, 1) or result.stderr.strip():
            raise UnansweredError(f"asked grep for {', '.join(some)[:200]}, it said: {result.stderr.strip()[:300]}")
        found.update(parse_numbered(result.stdout_bytes.decode("utf-8", "backslashreplace"), some))
    return found


def parse_numbered(text: str, paths: Iterable[str]) -> dict[str, str]:
    """Texts by path from ``path:number:line``; lines that are missing in between are empty.

    Raises:
        UnansweredError: a line is of none of the files.
    """
    found: dict[str, list[str]] = {path: [] for path in paths}
    pattern = re.compile(
        "(" + "|".join(map(re.escape, sorted(found, key=len, reverse=True))) + r"):(\d+):(.*)", re.DOTALL
    )
    for line in text.split("\n")[:-1] if text else ():
        parts = pattern.fullmatch(line)
        if parts is None:
            raise UnansweredError(f"grep: this line is not understood: {line[:200]!r}")
        lines = found[parts[1]]
        lines += [""] * (int(parts[2]) - 1 - len(lines)) if int(parts[2]) < LARGEST else []
        lines.append(parts[3])
    return {path: "\n".join(lines) + "\n" for path, lines in found.items()}


def _conffiles(host: Host) -> dict[str, str] | None:
    """The digests with which packages delivered their configuration files; None where dpkg is not what installs."""
    result = host.run(shlex.join(["dpkg-query", "-W", "-f", r"${Conffiles}\n"]))
    if result.rc != 0:
        return None
    return dict(re.findall(r"^ (/\S+) ([0-9a-f]{32})$", result.stdout, re.MULTILINE))


def _packaged(host: Host, files: Sequence[FoundFile], conffiles: Mapping[str, str]) -> set[str]:
    """The files of cron that lie as their package delivered them."""
    asked = [each.path for each in files if each.path in conffiles and "/cron." in each.path]
    asked = [each for each in asked if not CONFIGURED.search(each)]
    if not asked:
        return set()
    told = output(host, shlex.join(["md5sum", "--", *asked]))
    lines = re.findall(r"^([0-9a-f]{32})  (/.+)$", told, re.MULTILINE)
    return {path for digest, path in lines if conffiles.get(path) == digest}


def _user_crontabs(host: Host) -> list[Job]:
    """The crontabs of users, which root alone may read: by the exact command that docs/granting.md grants."""
    if absent(host, SPOOL):
        others = (
            []
            if absent(host, "/var/spool/cron")
            else [each for each in _listed(host, ["/var/spool/cron"], 1) if each.kind == "f"]
        )
        if others:
            raise InsufficientFactsError(f"crontabs of users in {others[0].path}: only those in {SPOOL} can be read")
        return []
    result = host.run("sudo -n grep -rs ^ /var/spool/cron/crontabs")
    if result.rc not in (0, 1) or result.stderr.strip():
        said = result.stderr.strip() or f"status {result.rc}"
        raise UnansweredError(f"asked for the crontabs of users as root, it said: {said}")
    return parse_user_crontabs(result.stdout_bytes.decode("utf-8", "backslashreplace"))


def parse_user_crontabs(text: str) -> list[Job]:
    """Jobs from ``path:line`` as grep prints the crontabs of all users.

    Raises:
        UnansweredError: a line is of no crontab, or is not understood.
    """
    lines: dict[str, list[str]] = {}
    for line in text.split("\n")[:-1] if text else ():
        parts = re.fullmatch(rf"({SPOOL}/([A-Za-z0-9_][A-Za-z0-9_.-]*\$?)):(.*)", line, re.DOTALL)
        if parts is None:
            raise UnansweredError(f"grep: this line is of no crontab: {line[:200]!r}")
        lines.setdefault(parts[1], []).append(parts[3])
    return [
        job for path, mine in lines.items() for job in parse_crontab(path, "\n".join(mine), posixpath.basename(path))
    ]


def _queued(host: Host) -> list[tuple[str, str]]:
    """The one-off jobs of at that wait, as places with doubts: their texts hold environments and stay unread."""
    if all(absent(host, spool) for spool in ("/var/spool/cron/atjobs", "/var/spool/at")):
        return []
    result = host.run("sudo -n atq")
    if result.rc != 0 or result.stderr.strip():
        raise UnansweredError(f"asked at for its queue as root, it said: {result.stderr.strip() or result.rc}")
    return [(f"at: {' '.join(line.split())[:100]}", "a job that waits") for line in result.stdout.splitlines() if line]


def _systemd(host: Host) -> tuple[list[Job], tuple[Cleaning, ...]]:
    """The commands of timers, and what systemd-tmpfiles cleans up; nothing where systemd does not run."""
    if absent(host, "/run/systemd/system"):
        return [], ()
    units = parse_timers(output(host, "systemctl list-timers --all --no-legend --plain --no-pager"))
    jobs = parse_units(output(host, shlex.join(["systemctl", "cat", "--no-pager", *units]))) if units else ()
    return list(jobs), parse_tmpfiles(output(host, "systemd-tmpfiles --cat-config --no-pager"))


def following(host: Host, jobs: Sequence[Job]) -> Followed:
    """Follow jobs to the scripts that they lead to, reading these on the way.

    Raises:
        UnansweredError: the host does not tell what is there.
        InsufficientFactsError: scripts lead to scripts, too deep to be followed.
    """
    with about(f"host {host.name}"):
        return _followed(host, jobs, {})[0]


def _followed(host: Host, jobs: Sequence[Job], etc: Mapping[str, str]) -> tuple[Followed, Configuration]:
    """Follow the jobs to scripts and to logrotate's configurations, reading these on the way."""
    local = _listed(host, ["/usr/local/bin", "/usr/local/sbin"], 1)
    programs = {posixpath.basename(each.path): each.path for each in local if each.kind == "f"}
    texts: dict[str, Text] = {}
    asked: dict[str, bool] | None = None  # of logrotate
    rotations = Configuration()
    for _ in range(DEEPEST):
        reader = Reader(texts, programs)
        for job in jobs:
            reader.job(job)
        for where, text in rotations.scripts:
            reader.job(Job(where, text))
        followed = reader.followed()
        named = logrotate_runs(followed)
        named |= {LOGROTATE: named.get(LOGROTATE, False)} if LOGROTATE in etc else {}
        if named == asked and not reader.wanted:
            return followed, rotations
        if named != asked:
            asked, rotations = named, _rotations(host, named, etc)
        texts.update(_loaded(host, reader.wanted))
    raise InsufficientFactsError(f"scripts that run scripts, more than {DEEPEST} deep: they are not all followed")


def logrotate_runs(followed: Followed) -> dict[str, bool]:
    """The configurations that commands give to logrotate, and whether it is made to rotate at every run."""
    named: dict[str, bool] = {}
    for _, way in followed.ways():
        at = next((i for i, each in enumerate(way) if posixpath.basename(each) == "logrotate"), None)
        if at is None or (at and way[0] in (*PRINTERS, *HANDLERS)):
            continue
        rest = list(way[at + 1 :])
        for option in ("-s", "--state", "-l", "--log", "-m", "--mail"):
            while option in rest[:-1]:
                del rest[rest.index(option) : rest.index(option) + 2]
        forced = any(re.match(r"-[a-z]*f|--force", each) for each in rest)
        for each in rest:
            if each.startswith("/") and known(each):
                named[each] = named.get(each, False) or forced
    return named


def _rotations(host: Host, configurations: Mapping[str, bool], etc: Mapping[str, str]) -> Configuration:
    """Logrotate's configurations with what they include; those that are true are rotated at every run."""
    texts, folders = dict(etc), dict[str, tuple[str, ...]]()
    missing = list(configurations)
    while missing:
        new = [each for each in missing if each not in texts]
        listed = _listed(host, new, 1) if new else []
        for each in listed:
            folder = posixpath.dirname(each.path)
            if each.kind == "d" and each.path in new:
                folders.setdefault(each.path, ())
            elif each.kind == "f" and folder in new and not TABOO.search(posixpath.basename(each.path)):
                folders[folder] = (*folders.get(folder, ()), each.path)
        files = {each.path for each in listed if each.kind == "f" and not TABOO.search(posixpath.basename(each.path))}
        texts.update({each: "" for each in new if each not in files and each not in folders})
        texts.update(_read(host, sorted(each for each in files if each not in texts)))
        named = [path for text in texts.values() for path in included(text)]
        missing = [each for each in dict.fromkeys(named) if each not in texts and each not in folders]
    found = Configuration()
    for path, forced in configurations.items():
        one = parse_logrotate(path, texts, folders)
        found.rotations += [each.at_every_run() if forced else each for each in one.rotations]
        found.scripts += one.scripts
        found.files += one.files
    return found


def included(text: str) -> list[str]:
    """What a configuration of logrotate's includes."""
    found = re.findall(r"^[ \t]*include[ \t=]+[\"']?(/[^\s\"']+)", text, re.MULTILINE)
    return [each.rstrip("/") for each in found]


def _loaded(host: Host, wanted: Mapping[str, bool]) -> dict[str, Text]:
    """The files that commands name, as far as they are scripts; no other file is read."""
    paths = sorted(each for each in wanted if each.isprintable())  # another name cannot be asked for
    files = [each for each in paths if not each.endswith("/")]
    listed = {
        each.path: each
        for begin in range(0, len(files), MOST_FILES)
        for each in _listed(host, files[begin : begin + MOST_FILES], 0)
    }
    found = {
        each: Text("unread" if wanted[each] else "missing", "has a name that cannot be asked for") for each in wanted
    }
    to_read = []
    for path in paths:
        file = listed.get(path)
        if path.endswith("/"):
            found[path] = _folder(host, path.rstrip("/"))
        elif file is None or file.kind != "f":
            found[path] = Text("missing")
        elif not (wanted[path] or file.mode & 0o111 or path.endswith((".sh", ".bash"))):
            found[path] = Text("data")
        elif not file.readable:
            found[path] = Text("unread", "may not be read")
        elif file.size > LARGEST:
            found[path] = Text("unread", "is too large for a script")
        else:
            to_read.append(path)
    for path, text in _read(host, to_read).items():
        found[path] = _kind(text)
    return found


def _folder(host: Host, path: str) -> Text:
    """The files of a folder that run-parts would run."""
    files = [each for each in _listed(host, [path], 1) if each.kind == "f" and each.mode & 0o111]
    mine = [each.path for each in files if RUN_BY_DEBIAN.fullmatch(posixpath.basename(each.path))]
    return Text("folder", "\n".join(mine)) if mine else Text("missing")


def _kind(text: str) -> Text:
    if "\0" in text or text.startswith("\x7fELF"):
        return Text("unread", "is a program, no script that can be read")
    named = parse_interpreter(text)
    return Text("foreign" if named and named not in SHELLS else "shell", text)
