"""What the words of a command stand for at one point of a shell text."""

from __future__ import annotations

import re

from opsverify.errors import UnansweredError
from opsverify.shell.state import State
from opsverify.shell.values import ANY, FIELD, arguments, arithmetic, combined, known
from opsverify.shell.words import DEEPEST, Part, Token, Word, tokens


class Expansion:
    """Puts values in the place of words; what a command within a word prints is the reader's to tell (`output`)."""

    doubts: list[tuple[str, str]]
    _deep: int

    def output(self, text: str, state: State) -> tuple[str, ...]:
        """What a command within a word prints."""
        raise NotImplementedError

    def expand(self, word: Word, state: State) -> tuple[str, ...]:
        """All that a word may come out as; `FIELD` stands where it falls into several."""
        values = combined([self._part(part, state) for part in word])
        head = word[0] if word else Part("text", "")
        if head.kind == "text" and not head.quoted and head.text.startswith("~"):
            home = state.values.get("HOME", (ANY,))[0]
            values = tuple(re.sub(r"^~(?=/|$)", lambda _: home, each) for each in values)
        return values

    def _part(self, part: Part, state: State) -> tuple[str, ...]:
        if part.kind == "text":
            return (part.text,)
        if part.kind == "choice":
            return tuple(dict.fromkeys(part.text.split(",")))
        if part.kind == "unknown":
            inside = part.text.removeprefix("(").removesuffix(")")
            bare = "" if re.search(r"\$\(|`", inside) else r"(?<![\w${])([A-Za-z_]\w*)"  # commands keep their words
            named = re.sub(bare, r"$\1", inside) if bare else inside
            return tuple(arithmetic(each) for each in self._inline(named, state))
        if part.kind == "array":
            ways = arguments([self.expand(each.word, state) for each in self.words(part.text, state)])
            return tuple(FIELD.join(way) for way in ways)
        values = self._variable(part.text, state) if part.kind == "variable" else self.output(part.text, state)
        return values if part.quoted else tuple(re.sub(r"\s+", FIELD, each) for each in values)

    def words(self, text: str, state: State) -> list[Token]:
        """The words of a text, none where it cannot be split."""
        try:
            return [each for each in tokens(text, 1) if each.kind == "word"]
        except UnansweredError as error:
            self.doubts.append((state.place or state.file, str(error)))
            return []

    def _inline(self, text: str, state: State) -> tuple[str, ...]:
        """Text as if within double quotes."""
        if self._deep > DEEPEST:
            return (ANY,)
        self._deep += 1
        found = self.words('"' + text.replace('"', "") + '"', state)
        values = self.expand(found[0].word, state) if found else (ANY,)
        self._deep -= 1
        return values

    def _variable(self, text: str, state: State) -> tuple[str, ...]:
        if re.match(r"BASH_SOURCE\b", text) or text == "0":
            return (state.file,)
        match = re.fullmatch(r"([A-Za-z_]\w*|\d+|[@*])(?:\[[@*]\])?(?:(:?)([-=?+])(.*))?", text, re.DOTALL)
        if match is None:
            return self._cut(text, state)
        values = state.looked_up(match[1])
        if match[3] in ("-", "="):
            default = self._inline(match[4], state)
            kept = tuple(each for each in values or () if each or not match[2])
            lacking = values is None or len(kept) < len(values)
            return tuple(dict.fromkeys((*kept, *(default if lacking else ()))))
        if match[3] == "+":
            return ("", *self._inline(match[4], state))
        if values is None:  # an argument that is not given is empty; a variable may come with the environment
            return ("",) if match[1].isdigit() else (ANY,)
        return values

    def _cut(self, text: str, state: State) -> tuple[str, ...]:
        """``${name%/*}`` and its like, where what is cut off is plain."""
        match = re.fullmatch(r"(\w+)(%|##)(/\*|\*/|[\w./-]+)", text)
        values = state.looked_up(match[1]) if match and match[1] != "0" else (state.file,)
        if match is None or not values or not all(known(each) for each in values):
            return (ANY,)
        if match[2] == "##":
            return tuple(each.rpartition("/")[2] for each in values) if match[3] == "*/" else (ANY,)
        if match[3] == "/*":
            return tuple(each.rpartition("/")[0] if "/" in each else each for each in values)
        return tuple(each.removesuffix(match[3]) for each in values) if "*" not in match[3] else (ANY,)
