"""What logrotate is told: which files it rotates, and how long what it has rotated is kept."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from opsverify.errors import UnansweredError

DAYS = {"hourly": 1 / 24, "daily": 1.0, "weekly": 7.0, "monthly": 28.0, "yearly": 365.0}
# Files that logrotate leaves out of a folder that it includes.
TABOO = re.compile(
    r"(~|,v|\.(bak|cfsaved|disabled|dpkg-(bak|del|dist|new|old|tmp)|rpm(new|orig|save)|swp|ucf-(dist|new|old)))$|^\."
)
SCRIPTS = {"prerotate", "postrotate", "firstaction", "lastaction", "preremove"}
NO_MATTER = re.compile(
    r"(no)?(compress|copy|copytruncate|create|createolddir|dateext|dateyesterday|delaycompress|ifempty|mail|missingok"
    r"|olddir|sharedscripts|shred|allowhardlink)|compress(cmd|ext|options)|uncompresscmd|date(format|hourago)|extension"
    r"|addextension|mail(first|last)|notifempty|noshredcycles|shredcycles|start|su|minage|minsize"
    r"|renamecopy|norenamecopy|ignoreduplicates|errors"
)
MOST_INCLUDES = 200


@dataclass(frozen=True)
class Settings:
    """What is set at a point of the configuration: sizes in the words of the file, ages in days."""

    period: str = ""
    rotate: int = 0
    maxage: int | None = None
    size: str = ""
    olddir: str = ""

    @property
    def keeps_days(self) -> float | None:
        """How long an entry is kept at least; None where only its size decides (so without any period)."""
        if self.rotate < 0 and self.maxage is None:
            return float("inf")
        if self.size or not self.period:
            return None
        kept = float("inf") if self.rotate < 0 else self.rotate * DAYS[self.period]
        return min(kept, float(self.maxage)) if self.maxage is not None else kept

    def __str__(self) -> str:
        words = [self.period or "no period", f"rotate {self.rotate}"]
        words += [f"maxage {self.maxage}"] if self.maxage is not None else []
        return ", ".join(words + ([self.size] if self.size else []))


@dataclass(frozen=True)
class Rotation:
    """One entry: the files (patterns) that it rotates, what is set for them, and where it stands."""

    where: str
    patterns: tuple[str, ...]
    settings: Settings

    def at_every_run(self) -> Rotation:
        """The same, where logrotate is forced to rotate whenever it runs: then no period counts."""
        return replace(self, settings=replace(self.settings, size="rotated at every run"))


@dataclass
class Configuration:
    """All entries of a configuration, and the scripts in it: where they stand, and their text."""

    rotations: list[Rotation] = field(default_factory=list)
    scripts: list[tuple[str, str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def parse_logrotate(path: str, texts: Mapping[str, str], folders: Mapping[str, tuple[str, ...]]) -> Configuration:
    """Parse the configuration at ``path``, with what it includes.

    Args:
        path: where it begins.
        texts: files by path.
        folders: the files in each folder that may be included, in logrotate's order.

    Raises:
        UnansweredError: a line is not understood, or a file that it includes is not among ``texts``.
    """
    found = Configuration()
    _Parser(texts, folders, found).file(path, Settings())
    return found


@dataclass
class _Parser:
    texts: Mapping[str, str]
    folders: Mapping[str, tuple[str, ...]]
    found: Configuration

    def file(self, path: str, settings: Settings) -> Settings:
        """Read one file; gives what is set at its end."""
        if path not in self.texts or len(self.found.files) > MOST_INCLUDES:
            raise UnansweredError(f"{path}: this part of logrotate's configuration was not read")
        self.found.files.append(path)
        lines = deque(enumerate(re.split(r"\r?\n|\r", self.texts[path]), 1))
        names, where = "", ""
        while lines:
            number, line = lines.popleft()
            line = line.strip().removesuffix("\\").rstrip()
            if not line or line.startswith("#"):
                continue
            if names or "{" in line or line[0] in "\"'/~":
                where = where if names else f"{path}:{number}"
                names, brace, rest = f"{names} {line}".partition("{")
                if brace:
                    if rest.strip():
                        lines.appendleft((number, rest))
                    self._entry(path, lines, settings, where, names)
                    names = ""
            else:
                settings = self._global(line, f"{path}:{number}", settings)
        if names:
            raise UnansweredError(f"{where}: this entry of logrotate's has no bracket: {names.strip()[:200]!r}")
        return settings

    def _global(self, line: str, where: str, settings: Settings) -> Settings:
        word, value = _word(line)
        if word != "include":
            return _set(word, value, where, settings)
        for each in self.folders.get(value.rstrip("/"), (value,)):
            settings = self.file(each, settings)
        return settings

    def _entry(self, path: str, lines: deque[tuple[int, str]], settings: Settings, where: str, names: str) -> None:
        """Read an entry from behind its opening bracket."""
        patterns = tuple(a or b or c for a, b, c in re.findall(r"\"([^\"]*)\"|'([^']*)'|([^\s\"']+)", names))
        while lines:
            number, line = lines.popleft()
            bare = line.strip()
            word, value = _word(bare)
            if word in SCRIPTS:
                self._script(f"{path}:{number}", lines)
            elif bare.endswith("}"):
                if rest := bare.removesuffix("}").strip():
                    settings = _set(*_word(rest), f"{path}:{number}", settings)
                self.found.rotations.append(Rotation(where, patterns, settings))
                return
            elif bare and not bare.startswith("#"):
                settings = _set(word, value, f"{path}:{number}", settings)
        raise UnansweredError(f"{where}: this entry of logrotate's has no end")

    def _script(self, where: str, lines: deque[tuple[int, str]]) -> None:
        text: list[str] = []
        while lines:
            _, line = lines.popleft()
            if line.split()[:1] == ["endscript"]:
                self.found.scripts.append((where, "\n".join(text)))
                return
            text.append(line)
        raise UnansweredError(f"{where}: this script of logrotate's has no end")


def _word(line: str) -> tuple[str, str]:
    word = re.split(r"[ \t=]", line, maxsplit=1)[0]
    value = re.sub(r"^[ \t]*=?[ \t]*|(^|(?<![ \t])[ \t]+)#.*", "", line[len(word) :], flags=re.DOTALL)
    return word, value.strip().strip("\"'")


def _set(word: str, value: str, where: str, settings: Settings) -> Settings:
    """What is set behind one directive."""
    if word in DAYS:
        if value and not (word == "weekly" and re.fullmatch("[0-7]", value)):  # the day of the week
            raise UnansweredError(f"{where}: nothing is expected behind {word}: {value[:60]!r}")
        return replace(settings, period=word, size="" if settings.size.startswith("size") else settings.size)
    if word in ("rotate", "maxage"):
        if not re.fullmatch(r"-?\d{1,6}", value):
            raise UnansweredError(f"{where}: {word} without a number: {value[:60]!r}")
        return replace(settings, rotate=int(value)) if word == "rotate" else replace(settings, maxage=int(value))
    if word in ("size", "maxsize"):
        return replace(settings, size=f"{word} {value}")
    if word == "olddir":
        return replace(settings, olddir=value)
    if NO_MATTER.fullmatch(word) or (word in ("tabooext", "taboopat") and value.startswith("+")):
        return settings
    raise UnansweredError(f"{where}: this directive of logrotate's is not understood: {word[:60]!r}")
