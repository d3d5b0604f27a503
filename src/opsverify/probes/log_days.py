"""How many entries the detailed logs hold of each day: by the time stamps in files, or by an index a day."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from opsverify import stores
from opsverify.channels.shell import Host
from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import about
from opsverify.probes.archives import StoredFile, files_below

OTHERWISE_COMPRESSED = (".xz", ".zst", ".bz2", ".lz4", ".lzma", ".zip", ".7z", ".br")
MOST_FILES, MOST_BYTES = 50, 64 * 1024 * 1024  # of one question
# A member of a JSON object, as far as it is flat: what is nested deeper is not the entry's own.
STRING = r'"([^"\\]|\\.)*"'
MEMBERS = (
    rf'^[[:space:]]*\{{([[:space:]]*{STRING}[[:space:]]*:[[:space:]]*({STRING}|[^]["{{}}[:space:],]+)[[:space:]]*,)*'
)
STAMP = r'[[:space:]]*"timestamp"[[:space:]]*:[[:space:]]*"[0-9]{4}-[0-9]{2}-[0-9]{2}'
TIME = r'[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+]00:?00)"'


@dataclass(frozen=True)
class LogDays:
    """Entries by UTC day, all of them and those of the level asked for.

    ``undecoded`` lines have no time stamp that is understood. ``unread`` names what may hold entries but could not be
    read; ``sources`` counts what was (``of``: its name).
    """

    entries: Mapping[date, int]
    detailed: Mapping[date, int]
    undecoded: int
    unread: tuple[str, ...]
    sources: int
    of: str


def in_files(host: Host, logs: stores.LogFiles) -> LogDays:
    """The days in a folder of log files, plain ones and those that gzip has compressed.

    Raises:
        UnansweredError: a file cannot be read, or is cut short.
    """
    files = [each for each in files_below(host, logs.folder) if each.size]
    readable = [each for each in files if not each.name.endswith(OTHERWISE_COMPRESSED)]
    entries: dict[date, int] = {}
    detailed: dict[date, int] = {}
    undecoded = 0
    with about(f"host {host.name}: {logs.folder}"):
        for some in _batches(readable):
            more, lines = _counted(host, some, "", logs.timeout_s)
            undecoded += lines
            add(entries, more)
            add(detailed, _counted(host, some, logs.level, logs.timeout_s)[0])
    unread = tuple(each.path for each in files if each not in readable)
    return LogDays(entries, detailed, undecoded, unread, len(readable), "files")


def add(days: dict[date, int], more: Mapping[date, int]) -> None:
    """Count more entries of days."""
    for day, count in more.items():
        days[day] = days.get(day, 0) + count


def _batches(files: Sequence[StoredFile]) -> list[list[StoredFile]]:
    found: list[list[StoredFile]] = []
    for each in files:
        full = not found or len(found[-1]) >= MOST_FILES or sum(one.size for one in found[-1]) + each.size > MOST_BYTES
        found.append([each]) if full else found[-1].append(each)
    return found


def _counted(host: Host, files: Sequence[StoredFile], level: str, timeout_s: float) -> tuple[dict[date, int], int]:
    """Entries by day in some files, of one level or (empty) of all; and the lines that are no entries."""
    commands = [["zcat", "-f", "--", *(each.path for each in files)], *counting(level)]
    result = host.run(" | ".join(shlex.join(each) for each in commands), timeout_s=timeout_s)
    if result.rc != 0 or result.stderr.strip():
        said = result.stderr.strip() or f"status {result.rc}"
        raise UnansweredError(f"asked for the days in {len(files)} files, it said: {said[:300]}")
    return parse_days(result.stdout_bytes.decode("utf-8", "backslashreplace"))


def counting(level: str) -> list[list[str]]:
    """The commands of a pipeline that count lines by their day, for `parse_days`; of one level or (empty) of all."""
    commands = []
    if level:
        commands.append(
            ["grep", "-aE", "-e", f'{MEMBERS}[[:space:]]*"level"[[:space:]]*:[[:space:]]*"{_literal(level)}"']
        )
    # Of a line that is no entry its first character is left, so that these lines are counted too.
    commands.append(["grep", "-aoE", "-e", f"{MEMBERS}{STAMP}{TIME}", "-e", "^."])
    commands.append(["grep", "-aoE", "-e", r'"timestamp"[[:space:]]*:[[:space:]]*"[0-9-]{10}', "-e", "^.$"])
    commands.append(["grep", "-aoE", "-e", "[0-9-]{10}$", "-e", "^.$"])
    commands.append(["uniq", "-c"])
    return commands


def _literal(text: str) -> str:
    """Text for an extended regular expression."""
    return re.sub(r"[^\w]", lambda found: f"[{found[0]}]" if found[0] not in "^\\" else f"\\{found[0]}", text)


def parse_days(text: str) -> tuple[dict[date, int], int]:
    """Parse ``uniq -c`` of days; anything else that was counted is no entry.

    Raises:
        UnansweredError: a line has no count.
    """
    days: dict[date, int] = {}
    others = 0
    for line in text.split("\n"):
        if not line:
            continue
        parts = re.fullmatch(r" *([0-9]{1,15}) (.*)", line, re.DOTALL)
        if parts is None:
            raise UnansweredError(f"uniq: this line is not understood: {line[:200]!r}")
        try:
            day = date.fromisoformat(parts[2]) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", parts[2]) else None
        except ValueError:  # such as the 31st of February
            day = None
        if day is None:
            others += int(parts[1])
        else:
            days[day] = days.get(day, 0) + int(parts[1])
    return days, others


def in_index(elasticsearch: WebChannel, index: str, level: str, oldest: date) -> LogDays:
    """The days of an index a day, by its name and its number of documents; from ``oldest`` on also by level.

    Raises:
        UnansweredError: the server does not answer, or with something that is not understood.
    """
    named, unread = _indices(elasticsearch, index)
    entries: dict[date, int] = {}
    detailed: dict[date, int] = {}
    for name, (day, count) in named.items():
        add(entries, {day: count})
        if count and day >= oldest:
            add(detailed, {day: _count(elasticsearch, name, level)})
    return LogDays(entries, detailed, 0, unread, len(named), "indices")


def asked(elasticsearch: WebChannel, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    """The JSON that Elasticsearch answers to a GET request with.

    Raises:
        UnansweredError: another status than 200, or no JSON.
    """
    with about(f"elasticsearch {elasticsearch.target}: asked {path}"):
        answer = elasticsearch.get(path, dict(parameters or {}))
        if answer.status != 200:
            raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
        try:
            return json.loads(answer.text)
        except (ValueError, RecursionError):
            raise UnansweredError(f"the answer is no JSON: {answer.text[:200]!r}") from None


def _indices(elasticsearch: WebChannel, index: str) -> tuple[dict[str, tuple[date, int]], tuple[str, ...]]:
    told = asked(elasticsearch, f"/_cat/indices/{index}", {"format": "json", "h": "index,status,docs.count"})
    with about(f"elasticsearch {elasticsearch.target}"):
        return parse_indices(told, index.rstrip("*"))


def parse_indices(told: Any, prefix: str) -> tuple[dict[str, tuple[date, int]], tuple[str, ...]]:
    """Day and documents by index, from ``_cat/indices``; and the indices that tell no day or cannot be read.

    Raises:
        UnansweredError: it is no list of indices.
    """
    found: dict[str, tuple[date, int]] = {}
    unread = []
    if not isinstance(told, list):
        raise UnansweredError(f"no list of indices: {str(told)[:200]!r}")
    for each in told:
        try:
            name, count = str(each["index"]), each["docs.count"]
            day = day_in(name, prefix)
            if count is None or day is None:
                unread.append(
                    f"{name} ({each.get('status') or 'no status'})" if day else f"{name} (no day in its name)"
                )
            else:
                found[name] = day, int(count)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UnansweredError(f"this index is not understood: {str(each)[:200]!r}") from None
    return found, tuple(unread)


def day_in(name: str, prefix: str) -> date | None:
    """The day in the name of an index after its prefix; None where there is none.

    Raises:
        ValueError: it is none of the calendar.
    """
    parts = re.match(r"(\d{4})[.-](\d{2})[.-](\d{2})(?!\d)", name.removeprefix(prefix))
    return date(*(int(part) for part in parts.groups())) if parts else None


def _count(elasticsearch: WebChannel, index: str, level: str) -> int:
    quoted = re.sub(r'(["\\])', r"\\\1", level)
    told = asked(elasticsearch, f"/{index}/_count", {"q": f'level:"{quoted}"'})
    with about(f"elasticsearch {elasticsearch.target}: {index}"):
        return parse_count(told)


def parse_count(told: Any) -> int:
    """The number of ``_count``.

    Raises:
        UnansweredError: it is none, or not every shard was counted.
    """
    try:
        count, shards = told["count"], told["_shards"]
        if type(count) is int and shards["failed"] == 0 and shards["successful"] + shards["skipped"] >= shards["total"]:
            return count
    except (KeyError, TypeError):
        pass
    raise UnansweredError(f"no count of all shards: {str(told)[:200]!r}")
