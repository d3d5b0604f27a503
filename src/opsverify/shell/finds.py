"""What a ``find`` looks for: where, how old at least, and whether it deletes what it finds."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

from opsverify.shell.values import ANY, days_ago, known
from opsverify.shell.words import DEEPEST

REMOVERS = {"rm", "unlink", "shred", "truncate"}
UNFINISHED = re.compile(r"\.(part|partial|tmp|temp|lock|pid|new|swp)$")
PLAIN = re.compile(
    r"-(delete|print0?|ls|empty|xdev|mount|depth|d|daystart|follow|prune|quit|true|false|nouser|nogroup|readable"
    r"|writable|executable|noleaf|(no)?warn|(no)?ignore_readdir_race)"
)
VALUED = re.compile(
    r"-(i?(name|path|wholename|regex|lname)|x?type|user|group|perm|size|(max|min)depth|[ac]?newer(..)?|samefile|links"
    r"|inum|fstype|[ug]id|printf|fprint0?|fls|regextype|used|context|amin|atime)"
)
AGES = {"-mtime": 1.0, "-ctime": 1.0, "-mmin": 1 / 1440, "-cmin": 1 / 1440}
RUNNING = {"-exec", "-execdir", "-ok", "-okdir"}


@dataclass(frozen=True)
class Find:
    """A ``find``: its roots, and what it deletes of what it finds.

    ``keeps_days``: everything younger is left alone (0 when it may be of any age). ``doubt`` says what of it is not
    understood. ``whole``: it removes folders with what is in them.
    """

    roots: tuple[str, ...]
    deletes: bool
    keeps_days: float
    doubt: str
    depth: int | None
    whole: bool
    files: bool  # nothing but files
    nothing: bool  # only what holds nothing: empty files, links, unfinished files

    def reaches(self, above: int) -> bool:
        """Whether it gets at what lies in a folder that is so many levels below a root."""
        by_the_way = self.whole and not self.files  # a folder on the way goes with all below it
        return self.depth is None or self.depth > above or by_the_way


@dataclass
class _Expression:
    words: tuple[str, ...]
    at: int = 0
    doubt: str = ""
    deletes: list[float] = field(default_factory=list)  # the age that each deleting action asks for
    whole: bool = False
    depth: int | None = None
    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    empty: bool = False
    alternatives: bool = False
    from_midnight: bool = False
    deep: int = 0
    untold: bool = False  # a word of it may be anything, so -o as well, or -delete

    def either(self, outer: float) -> float:
        """Conditions joined by -o: the least age that one of them asks for."""
        least = self.every(outer)
        while self.at < len(self.words) and self.words[self.at] in ("-o", "-or", ","):
            self.alternatives = True
            self.at += 1
            least = min(least, self.every(outer))
        return least

    def every(self, outer: float) -> float:
        """Conditions that all hold: the greatest age that one of them asks for."""
        age, negated = outer, False
        while self.at < len(self.words) and self.words[self.at] not in ("-o", "-or", ",", ")"):
            word = self.words[self.at]
            self.at += 1
            if word in ("!", "-not"):
                negated = not negated
                continue
            if word == "(" and self.deep < DEEPEST:
                self.deep += 1
                inner = self.either(age)
                self.deep -= 1
                self.at += 1
                age = age if negated else max(age, inner)
            elif word not in ("-a", "-and"):
                age = max(age, self.primary(word, age, negated=negated))
            negated = False
        return age

    def _value(self) -> str:
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""

    def primary(self, word: str, age: float, *, negated: bool) -> float:
        """One condition or action; gives the age that it asks for."""
        if word in AGES:
            return self._age(word, self._value(), negated=negated)
        if re.fullmatch(r"-newer[BmcaB]t", word):
            return self._since(self._value(), negated=negated)
        if word == "-delete":
            self.deletes.append(age)
        elif word in RUNNING:
            self._run(age)
        elif word == "-fprintf":
            self.at += 2
        elif VALUED.fullmatch(word):
            self._condition(word, self._value())
        elif PLAIN.fullmatch(word):
            self.empty = self.empty or (word == "-empty" and not negated)
            self.from_midnight = self.from_midnight or word == "-daystart"
        else:
            self.doubt = f"{word if known(word) else 'a word'} of find is not understood"
            self.untold = self.untold or not known(word)
        return 0.0

    def _condition(self, word: str, value: str) -> None:
        if word == "-maxdepth":
            self.depth = int(value) if re.fullmatch(r"\d{1,6}", value) else None
        elif word in ("-name", "-iname", "-path", "-wholename"):
            self.names.append(value)
        elif word == "-type":
            self.types += value.split(",")
        elif word in ("-atime", "-amin", "-newer", "-anewer", "-cnewer", "-used"):
            self.doubt = self.doubt or f"{word} {value} is no age since the last change"

    def _age(self, word: str, value: str, *, negated: bool) -> float:
        match = re.fullmatch(r"([+-]?)(\d{1,9}(?:\.\d+)?)", value)
        if match is None:
            self.doubt = f"{word} {value if known(value) else '…'} is not understood"
            return 0.0
        count, unit = float(match[2]), AGES[word]
        if negated:  # not younger than: at least so old
            return count * unit if match[1] == "-" else 0.0
        if match[1] == "-":
            return 0.0
        # +30 asks for more than 30 whole days, so for 31 of them; counted from midnight it may be one less.
        whole_days = match[1] == "+" and unit == 1 and not self.from_midnight
        return (count + 1) * unit if whole_days else count * unit

    def _since(self, value: str, *, negated: bool) -> float:
        days = days_ago(value)
        said = re.search(r"(\d{1,6}) days? ago|-\s*(\d{1,6}) days?\b", value)
        if days is None and said:
            days = int(said[1] or said[2])
        if days is None:
            self.doubt = f"the moment of -newer…t ({value if known(value) else '…'}) is not understood"
            return 0.0
        return float(days) if negated else 0.0

    def _run(self, age: float) -> None:
        begin = self.at
        while self.at < len(self.words) and self.words[self.at] not in (";", "+"):
            self.at += 1
        command = self.words[begin : self.at]
        self.at += 1
        bases = {posixpath.basename(each) for each in command}
        texts = [each for each in command if re.search(r"\s", each) and re.search(r"\b(rm|unlink|shred)\b", each)]
        if bases & REMOVERS or texts:
            self.deletes.append(age)
            self.whole = self.whole or any(re.match(r"-\w*[rR]|--recursive", each) for each in command)
        elif command and not known(command[0]):
            self.deletes.append(age)
            self.doubt = "what find runs cannot be told"
        elif "mv" in bases:
            self.deletes.append(age)
            self.doubt = "what find moves away is not followed"


def parse_find(arguments: tuple[str, ...]) -> Find:
    """Read the words behind ``find``; what is not understood stands in ``doubt``."""
    at = 0
    while at < len(arguments) and re.fullmatch(r"-[HLP]|-O\d?|-D", arguments[at]):
        at += 2 if arguments[at] == "-D" else 1
    begin = at
    while at < len(arguments) and not re.match(r"-|[!(,)]", arguments[at]):
        at += 1
    expression = _Expression(arguments[at:])
    expression.from_midnight = "-daystart" in arguments
    if ANY in arguments[begin + 1 : at]:  # it may be a root, or a condition
        expression.doubt, expression.untold = "a word of find cannot be told", True
    age = 0.0
    while expression.at < len(expression.words):
        age = expression.either(0.0)
        if expression.at < len(expression.words):  # a bracket too many
            expression.doubt = "its brackets are not understood"
            expression.at += 1
    types, alone = set(expression.types), not expression.alternatives
    unfinished = bool(expression.names) and all(UNFINISHED.search(each) for each in expression.names)
    nothing = unfinished or (alone and expression.empty) or (bool(types) and not types & {"f", "d", ANY})
    nothing = nothing or (types == {"d"} and not expression.whole and bool(expression.deletes))
    return Find(
        arguments[begin:at] or (".",),
        bool(expression.deletes),
        0.0 if expression.untold else min(expression.deletes, default=age),
        expression.doubt,
        expression.depth,
        expression.whole,
        alone and types == {"f"} and not expression.untold,
        nothing and not expression.untold,
    )
