"""Shell text as a shell splits it: words with their quotes, operators, redirections and here-documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from opsverify.errors import UnansweredError

PartKind = Literal["text", "variable", "command", "array", "choice", "unknown"]
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
OPERATOR = re.compile(r"&&|\|\||;;&|;;|;&|\|&|[|&;()\n]")
REDIRECT = re.compile(r"(?:\d+|\{\w+\})?(&>>|&>|<<<|<<-|<<|<>|<&|>&|>>|>\||<(?!\()|>(?!\())")
BRACES = re.compile(r"\{([^{}\s'\"$`\\]*,[^{}\s'\"$`\\]*)\}")
DEEPEST = 12  # a text within a text within a text: more is nothing that a person wrote


@dataclass(frozen=True)
class Part:
    """A piece of a word: text as it stands, or what a shell would put in its place (a variable, a command's output)."""

    kind: PartKind
    text: str
    quoted: bool = False


Word = tuple[Part, ...]


@dataclass
class Token:
    """One token; a redirection carries the word behind it, and its here-document."""

    kind: Literal["word", "operator", "redirect", "end"]
    text: str
    line: int
    word: Word = ()
    document: list[str] | None = None


def tokens(text: str, line: int) -> list[Token]:
    """Split a text, of which ``line`` is the number of the first line; the last token is of the kind ``end``.

    Raises:
        UnansweredError: a quote or bracket has no end; says the line.
    """
    # A carriage return before the line's end would be part of the last word: whoever wrote it did not mean that.
    return _Lexer(text.replace("\r\n", "\n").replace("\r", " "), line).tokens()


class _Lexer:
    def __init__(self, text: str, line: int) -> None:
        self.text = text
        self.at = 0
        self.line = line
        self.pending: list[tuple[Token, str, bool]] = []

    def tokens(self) -> list[Token]:
        found: list[Token] = []
        while (token := self._next()).kind != "end":
            found.append(token)
        return [*found, token]

    def problem(self, what: str) -> UnansweredError:
        return UnansweredError(f"line {self.line}: {what}")

    def _next(self) -> Token:
        self._blanks()
        line = self.line
        if self.at >= len(self.text):
            return Token("end", "", line)
        redirect = REDIRECT.match(self.text, self.at)
        if redirect:
            self.at = redirect.end()
            token = Token("redirect", redirect[1], line)
            self._blanks()
            token.word = self._word()
            if redirect[1] in ("<<", "<<-"):
                token.document = []
                quoted = any(each.quoted for each in token.word)
                self.pending.append((token, "".join(each.text for each in token.word), quoted))
            return token
        operator = OPERATOR.match(self.text, self.at)
        if operator:
            self.at = operator.end()
            if operator[0] == "\n":
                self.line += 1
                self._documents()
            return Token("operator", operator[0], line)
        return Token("word", "", line, self._word())

    def _blanks(self) -> None:
        while self.at < len(self.text):
            if self.text.startswith("\\\n", self.at):
                self.at += 2
                self.line += 1
            elif self.text[self.at] in " \t":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def _documents(self) -> None:
        for token, delimiter, _ in self.pending:
            body: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                here = self.text[self.at : end]
                self.at = end + 1
                self.line += 1
                if (here.lstrip("\t") if token.text == "<<-" else here) == delimiter:
                    break
                body.append(here)
            token.document = ["\n".join(body)]
        self.pending = []

    def _word(self) -> Word:
        parts: list[Part] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if self.text.startswith("\\\n", self.at):
                self.at += 2
                self.line += 1
            elif char in "<>" and self.text.startswith("(", self.at + 1):
                parts.append(Part("command", self._bracketed(self.at + 1, "(", ")")))
            elif char == "(" and re.fullmatch(rf"{NAME}(\[[^]]*\])?\+?=", "".join(p.text for p in parts)):
                parts.append(Part("array", self._bracketed(self.at, "(", ")")))
            elif char in " \t\n;&|<>()":
                break
            else:
                parts += self._piece(char)
        return tuple(parts)

    def _piece(self, char: str) -> Iterator[Part]:
        if char == "'":
            yield Part("text", self._until("'", self.at + 1), quoted=True)
        elif char == '"':
            yield from self._double()
        elif char == "\\":
            yield Part("text", self.text[self.at + 1 : self.at + 2], quoted=True)
            self.at += 2
        elif char in "$`":
            yield self._dollar(quoted=False)
        elif char == "{":
            choice = BRACES.match(self.text, self.at)
            yield Part("choice", choice[1]) if choice else Part("text", "{")
            self.at = choice.end() if choice else self.at + 1
        else:
            plain = re.compile(r"[^\s;&|<>()'\"\\$`{]+|.", re.DOTALL).match(self.text, self.at)
            assert plain is not None
            self.at = plain.end()
            yield Part("text", plain[0])

    def _until(self, end: str, start: int) -> str:
        stop = self.text.find(end, start)
        if stop < 0:
            raise self.problem(f"a quote ({end}) has no end")
        found = self.text[start:stop]
        self.line += found.count("\n")
        self.at = stop + 1
        return found

    def _double(self) -> Iterator[Part]:
        self.at += 1
        text = ""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                yield Part("text", text, quoted=True)
                return
            if char == "\\" and self.at + 1 < len(self.text) and self.text[self.at + 1] in '$`"\\\n':
                follows = self.text[self.at + 1]
                text += "" if follows == "\n" else follows
                self.line += follows == "\n"
                self.at += 2
            elif char in "$`":
                yield Part("text", text, quoted=True)
                text = ""
                yield self._dollar(quoted=True)
            else:
                text += char
                self.line += char == "\n"
                self.at += 1
        raise self.problem('a quote (") has no end')

    def _dollar(self, *, quoted: bool) -> Part:
        rest = self.text[self.at : self.at + 3]
        if rest.startswith("`"):
            return self._backticks(quoted=quoted)
        if rest.startswith("$'") and not quoted:
            return self._ansi()
        if rest.startswith("$(("):
            return Part("unknown", self._bracketed(self.at + 1, "(", ")"), quoted)
        if rest.startswith("$("):
            return Part("command", self._bracketed(self.at + 1, "(", ")"), quoted)
        if rest.startswith("${"):
            return Part("variable", self._bracketed(self.at + 1, "{", "}"), quoted)
        name = re.compile(rf"\$({NAME}|[0-9@*#?$!-])").match(self.text, self.at)
        self.at += len(name[0]) if name else 1
        return Part("variable", name[1], quoted) if name else Part("text", "$", quoted)

    def _backticks(self, *, quoted: bool) -> Part:
        found = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL).match(self.text, self.at)
        if found is None:
            raise self.problem("a quote (`) has no end")
        self.at = found.end()
        self.line += found[1].count("\n")
        return Part("command", re.sub(r"\\([`\\$])", r"\1", found[1]), quoted)

    def _ansi(self) -> Part:
        found = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.at)
        if found is None:
            raise self.problem("a quote (') has no end")
        self.at = found.end()
        self.line += found[1].count("\n")
        if re.search(r"\\(?![\\'\"])", found[1]):  # \x72 and its like can spell anything
            return Part("unknown", "", quoted=True)
        return Part("text", re.sub(r"\\(.)", r"\1", found[1]), quoted=True)

    def _bracketed(self, start: int, opening: str, closing: str) -> str:
        """The text between a bracket at ``start`` and the one that closes it; those within quotes do not count."""
        end = _bracket_end(self.text, start, opening, closing)
        if end < 0:
            raise self.problem(f"a bracket ({opening}) has no end")
        found = self.text[start + 1 : end]
        self.line += found.count("\n")
        self.at = end + 1
        return found


def _bracket_end(text: str, start: int, opening: str, closing: str, deep: int = 0) -> int:
    depth, at = 0, start
    while at < len(text) and at >= 0 and deep <= DEEPEST:
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "'" and opening == "(":
            at = text.find("'", at + 1)
            if at < 0:
                return -1
        elif char == '"':
            at = _quote_end(text, at, deep + 1)
            if at < 0:
                return -1
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _quote_end(text: str, start: int, deep: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            return at
        elif text.startswith("$(", at):
            at = _bracket_end(text, at + 1, "(", ")", deep)
            if at < 0:
                return -1
        at += 1
    return -1
