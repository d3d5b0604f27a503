"""Which of the commands that a host runs by itself delete something in a folder, and what they leave alone."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

from opsverify.shell.commands import GIVERS, HANDLERS, PRINTERS, WRAPPERS
from opsverify.shell.facts import Followed, Ran, Stage
from opsverify.shell.finds import REMOVERS, UNFINISHED, Find, parse_find
from opsverify.shell.values import ANY, PRIVATE, TEMPORARY, days_ago, feeds, known, placed, shown

Relation = Literal["none", "perhaps", "above", "same", "below"]
COUNTING = {"head", "tail"}
# They delete by rules of their own, which are not read.
TOOLS = {"tmpreaper", "tmpwatch", "savelog", "cronolog", "restic", "borg", "borgmatic", "duplicity", "pgbackrest"}
TOOLS |= {"barman", "wal-g", "wal-e", "rsnapshot", "rdiff-backup"}
# They delete by their configuration whenever they run, but for questions.
HOUSEKEEPERS = {"pgbackrest", "barman", "borgmatic", "autopostgresqlbackup", "automysqlbackup", "backupninja"}
QUESTIONS = {"check", "info", "list", "list-backups", "status", "show-backup", "archive-push", "archive-get", "version"}
TOOLS_DELETE = re.compile(r"forget|prune|delete|expire|clean|purge|remove|rotate|sync|daily|weekly|hourly|\d+[dhm]?$")
INTERPRETER = re.compile(r"python[\d.]*|perl|ruby|node|php|[gm]?awk|lua|tclsh")
DELETES_ELSEHOW = re.compile(
    r"\b(unlink|rmtree|os\.remove|rm|delete|truncate|prune|purge|find)\b|rmSync", re.IGNORECASE
)
DELETING = re.compile(r"(delete|destroy|purge|prune|trash|erase|expire|clean|--delete\S*|--remove-files|-sdel)\b(?!=)")
TRIMMERS = {"head", "tail", "sed", "grep", "awk"}
COUNTED = "keeps by number, not by age"


@dataclass(frozen=True)
class Deleter:
    """Something that deletes: where it stands, what it says, and the age in days below which it leaves things alone.

    ``keeps_days`` is None where it gives no such age; ``doubt`` is what of it could not be understood, and then it may
    leave more alone, or have nothing to do with the folder at all.
    """

    where: str
    what: str
    keeps_days: float | None
    doubt: str = ""


def relation(pattern: str, folder: str) -> tuple[Relation, int]:
    """How what a pattern may stand for lies to a folder; and, above it, by how many levels."""
    parts = [each for each in posixpath.normpath(pattern).split("/") if each]
    wanted = [each for each in folder.split("/") if each]
    for index, part in enumerate(parts):
        if index >= len(wanted):
            return "below", 0
        open_end = re.search(f"{ANY}|[\uf100-\uf8ff]", part)
        if open_end:
            begin = re.sub(r"[\[\]]", "?", part[: open_end.start()])
            return ("perhaps" if fnmatchcase(wanted[index], f"{begin}*") else "none"), 0
        if not fnmatchcase(wanted[index], PRIVATE.sub("*", part)):
            return "none", 0
    left = len(wanted) - len(parts)
    return ("above", left) if left else ("same", 0)


@dataclass
class _Folder:
    """Collects what deletes in one of the folders; ``elsewhere`` counts what deletes, but not there."""

    folders: Sequence[str]
    followed: Followed
    found: list[Deleter]
    trimmed: set[str] = field(default_factory=set)  # files of which a part was written elsewhere
    elsewhere: int = 0

    def look(self, ran: Ran) -> None:
        for index, stage in enumerate(ran.stages):
            if self.trimmed.intersection(stage.empties):
                self._targets(ran, f"{_shown_whole(ran, index)} > ", stage.empties, recursive=False)
            for way in stage.ways:
                if stage.empties and way and posixpath.basename(way[0]) in TRIMMERS:
                    self.trimmed.update(placed(here, each) for each in way[1:] for here in ran.here)
            for way in stage.ways:
                if way:
                    self._command(ran, index, way)
            if stage.empties and any(_prints_nothing(way) for way in stage.ways):
                self._targets(ran, "> ", stage.empties, recursive=False)

    def _command(self, ran: Ran, index: int, way: tuple[str, ...]) -> None:
        names = [posixpath.basename(each) for each in way]
        if names[0] in PRINTERS:
            return
        at = next((i for i, each in enumerate(names) if each in REMOVERS | GIVERS), None)
        if at is None:
            self._other(ran, names[0], way)
        elif names[at] == "find":
            self._find(ran, way[at:], parse_find(way[at + 1 :]))
        elif names[at] in GIVERS:
            if set(names[at + 1 :]) & REMOVERS or any(re.search(r"\brm\b", each) for each in way[at + 1 :]):
                self._given(ran, ran.stages[:index], ran.here, _shown_whole(ran, index))
        else:
            options = [each for each in way[at + 1 :] if each.startswith("-")]
            recursive = any(re.match(r"-\w*[rR]|--r", each) or not known(each) for each in options) or any(
                each == ANY for each in way[at + 1 :]
            )
            targets = tuple(each for each in way[at + 1 :] if not each.startswith("-"))
            if not targets and self._touches(ran, way[:at]):  # such as fd, which puts them there itself
                self.found.append(Deleter(ran.where, shown(" ".join(way)), None, "what it deletes cannot be told"))
            self._targets(ran, shown(f"{' '.join(way)}"), targets, recursive=recursive)

    def _find(self, ran: Ran, way: tuple[str, ...], find: Find) -> None:
        if find.deletes and not self._roots(ran.where, shown(" ".join(way)), find, ran.here, find.keeps_days):
            self.elsewhere += 1

    def _roots(self, where: str, what: str, find: Find, here: Sequence[str], keeps: float | None) -> bool:
        """Record what deletes all that is found; whether it gets at one of the folders."""
        if find.nothing:
            return False
        roots = [placed(folder, each) for each in find.roots for folder in here]
        for root in (each for each in roots if TEMPORARY not in each):
            for folder in self.folders:
                kind, above = relation(root, folder)
                doubt = find.doubt or ("where it deletes cannot be told" if kind == "perhaps" else "")
                if kind in ("same", "below", "perhaps") or (kind == "above" and find.reaches(above)):
                    self.found.append(Deleter(where, what, keeps, doubt))
                    return True
        return False

    def _given(self, ran: Ran, feeding: Sequence[Stage], here: Sequence[str], what: str) -> None:
        """What a pipeline found is deleted."""
        hit = False
        counted = any(posixpath.basename(way[0]) in COUNTING for each in feeding[1:] for way in each.ways if way)
        for way in feeding[0].ways if feeding else ((),):
            name = posixpath.basename(way[0]) if way else ""
            if name == "find":
                find = replace(parse_find(way[1:]), whole=True)
                keeps = None if counted and not find.keeps_days else find.keeps_days
            elif name == "ls":
                roots = tuple(each for each in way[1:] if not each.startswith("-")) or (".",)
                find, keeps = Find(roots, True, 0.0, "", None, whole=True, files=False, nothing=False), None
            else:
                hit = True
                self.found.append(Deleter(ran.where, what, None, "what it deletes cannot be told"))
                continue
            said = f"{what} ({COUNTED})" if counted and keeps is None else what
            hit = self._roots(ran.where, said, find, here, keeps) or hit
        self.elsewhere += not hit

    def _targets(self, ran: Ran, what: str, targets: Sequence[str], *, recursive: bool) -> None:
        hit = False
        for target in targets:
            numbers = feeds(target)
            if TEMPORARY in target or UNFINISHED.search(target):
                continue
            if numbers and len(target) == 1:
                fed = self.followed.fed[numbers[0]]
                self._given(ran, fed.stages, fed.here, f"{what} ({_shown_whole(fed, len(fed.stages) - 1)})")
                hit = True
                continue
            hit = self._target(ran, what, target, recursive=recursive) or hit
        self.elsewhere += not hit

    def _target(self, ran: Ran, what: str, target: str, *, recursive: bool) -> bool:
        days = days_ago(target)
        keeps = None if days is None else float(max(days - 1, 0))  # the last of that day is not so old yet
        said = what if what != "> " else shown(f"> {target}")
        for path in (placed(folder, target) for folder in ran.here):
            for folder in self.folders:
                kind, _ = relation(path, folder)
                if kind == "below" or (kind in ("same", "above") and recursive):
                    doubt = "a condition decides on it, which is not understood" if ran.conditional else ""
                    doubt = "" if keeps is not None else doubt
                    self.found.append(Deleter(ran.where, said, keeps, doubt))
                    return True
                if kind == "perhaps":
                    self.found.append(Deleter(ran.where, said, keeps, "what it deletes cannot be told"))
                    return True
        return False

    def _touches(self, ran: Ran, words: Sequence[str]) -> bool:
        """Whether one of the words is a path at, in or above one of the folders."""
        paths = [re.sub(r"^[^/]*=", "", each) for each in words if "/" in each and "://" not in each]
        return any(
            relation(placed(here, path), folder)[0] in ("same", "below", "above")
            for path in paths
            if path.strip("/")
            for here in ran.here
            for folder in self.folders
        )

    def _other(self, ran: Ran, name: str, way: tuple[str, ...]) -> None:
        """Commands that delete besides something else, or by rules of their own."""
        words = way[1:]
        told = [each for each in words if not each.startswith("-")]
        if name in ("cp", "mv") and self.trimmed.intersection(placed(each, way[-1]) for each in ran.here):
            self._targets(ran, shown(" ".join(way)), told[-1:], recursive=False)
            return
        unclear = not known(way[0]) or (name in WRAPPERS and ANY in words)
        rule = _by_other_rules(name, words, told)
        if rule is None and unclear:
            rule = told, None, "runs a command that cannot be told"
        if rule is None:
            return
        targets, keeps, doubt = rule
        if name == "mv":
            targets = self._moved(ran, told)
        nowhere = name in TOOLS | HOUSEKEEPERS and not any("/" in each for each in words)
        if nowhere or self._touches(ran, targets):
            self.found.append(Deleter(ran.where, shown(" ".join(way)), keeps, doubt))
        elif not unclear and name != "mv":
            self.elsewhere += 1

    def _moved(self, ran: Ran, told: Sequence[str]) -> Sequence[str]:
        """The sources of ``mv``, unless they stay in the folder that they come from."""
        target = told[-1] if told else ""
        sources = [each for each in told[:-1] if not UNFINISHED.search(each)]
        return [] if posixpath.isabs(target) and self._touches(ran, [target]) else sources


def _by_other_rules(
    name: str, words: Sequence[str], told: Sequence[str]
) -> tuple[Sequence[str], float | None, str] | None:
    """What a command that is no ``rm`` deletes, the age it asks for, and what of it is not understood."""
    targets: Sequence[str] = ()
    keeps, doubt = None, ""
    match name, *told:
        case "cp", "/dev/null", *targets:
            pass
        case "mv", *targets:
            doubt = "what it moves away is not followed"
        case ("pg_archivecleanup", *targets) | ("aws", "s3", "mv", *targets):
            pass
        case "rsync", *targets if any(each.startswith(("--del", "--remove-source")) for each in words):
            targets = targets if "--remove-source-files" in words else targets[-1:]
        case "rclone", ("delete" | "purge" | "deletefile" | "move" | "sync" | "cleanup") as what, *targets:
            age = re.search(r"--min-age[= ](\d+)d\b", " ".join(words))
            keeps = float(age[1]) if age else None
            places = [each for each in targets if "/" in each or ":" in each]
            targets = places[-1:] if what == "sync" else places[:1]
        case "aws", "s3", "sync", _, *targets if "--delete" in words:
            pass
        case _:
            return _by_unread_rules(name, words, told)
    return targets, keeps, doubt


def _by_unread_rules(name: str, words: Sequence[str], told: Sequence[str]) -> tuple[Sequence[str], None, str] | None:
    if name in HOUSEKEEPERS and not QUESTIONS.intersection(words):
        return told, None, f"what {name} deletes is not read"
    if name in TOOLS and any(TOOLS_DELETE.search(each) for each in words):
        return told, None, f"what {name} deletes is not read"
    if name == "sed" and any(re.match(r"-[a-zA-Z]*i|--in-place", each) for each in words):
        return told, None, "what sed leaves of a file is not read"
    said = [part for each in words for part in each.split()]
    if any(DELETING.fullmatch(each) and (each[0] == "-" or name not in HANDLERS | WRAPPERS) for each in said):
        return said, None, f"what {name} deletes is not read"
    runs_text = any(INTERPRETER.fullmatch(posixpath.basename(each)) for each in (name, *told))
    if runs_text and any(re.search(r"[\s(]", each) and DELETES_ELSEHOW.search(each) for each in words):
        return re.findall(r"/[\w./*?-]+", " ".join(words)), None, f"a text for {name} that deletes is not read"
    return None


def _shown_whole(ran: Ran, last: int) -> str:
    return " | ".join(shown(" ".join(each.ways[0] if each.ways else ())) for each in ran.stages[: last + 1])


def _prints_nothing(way: tuple[str, ...]) -> bool:
    name = posixpath.basename(way[0]) if way else ""
    said = [each for each in way[1:] if not each.startswith("-")]
    return (
        name in ("", ":", "true")
        or (name == "cat" and said == ["/dev/null"])
        or (name in ("echo", "printf") and not said)
    )


def not_followed(followed: Followed) -> list[Deleter]:
    """What is run, but could not be read: whether it deletes cannot be told."""
    unread = [Deleter(where, what, None, "what is run cannot be told") for where, what in followed.doubts]
    foreign = [
        Deleter(path, "a script that is not for a shell", None, "it may delete, and only shell scripts can be read")
        for path, text in followed.foreign.items()
        if DELETES_ELSEHOW.search(text)
    ]
    return [*unread, *foreign]


def deletions(followed: Followed, folders: Sequence[str]) -> tuple[tuple[Deleter, ...], int]:
    """What deletes in one of the folders, and how many commands delete, but elsewhere.

    What could not be followed is doubted for every folder.
    """
    collected = _Folder(folders, followed, [])
    for ran in followed.ran:
        collected.look(ran)
    return tuple(dict.fromkeys((*collected.found, *not_followed(followed)))), collected.elsewhere


def begins(followed: Followed) -> list[str]:
    """How the absolute paths begin that commands may delete at: up to what is a pattern, or is not told."""
    found = set()
    for ran in followed.ran:
        for stage in ran.stages:
            words = {word for way in stage.ways if _may_delete(way) for word in (*way[1:], ".")} | {*stage.empties}
            found |= {beginning(placed(here, each)) for each in words for here in ran.here}
    return sorted(found - {""})


def _may_delete(way: Sequence[str]) -> bool:
    names = {posixpath.basename(each) for each in way}
    return bool(names & (REMOVERS | GIVERS | TOOLS | {"mv", "cp", "ls", "rsync", "sed"})) or any(
        DELETING.search(each) for each in way
    )


def beginning(path: str) -> str:
    """The folders that a path or pattern begins with, as far as they are told; empty where it is not absolute."""
    told = re.split(f"[*?\\[]|{PRIVATE.pattern}", path, maxsplit=1)[0]
    whole = told if told == path else posixpath.dirname(told)
    return posixpath.normpath(whole) if re.fullmatch(r"/[^\s:]+", whole) and whole.isprintable() else ""
