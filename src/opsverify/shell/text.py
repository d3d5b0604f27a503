"""Shell text, taken apart into statements without being run: pipelines, functions and loops, one after the other.

What a condition decides is not known here, so every branch is taken to run; ``conditional`` says that one decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opsverify.errors import UnansweredError
from opsverify.shell.words import DEEPEST, Part, Token, Word, tokens

CONSTANTS = {"true": True, ":": True, "false": False}
IDLE = {"true", ":", "echo", "printf", "logger"}  # behind || they make a failure go away, and do nothing about it
OPENING = {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "coproc"}
CLOSING = {"fi", "done", "esac", "}"}


@dataclass(frozen=True)
class Simple:
    """A command with its words; ``writes`` are the files that its output replaces, ``reads`` those of its input.

    ``documents`` are its here-documents.
    """

    words: tuple[Word, ...]
    line: int
    writes: tuple[Word, ...] = ()
    reads: tuple[Word, ...] = ()
    documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """Commands, each fed by the one before it; ``conditional`` where if, while, case or a test decides on them.

    ``chained``: whether they run depends on how the command before them ended; ``aside``: they run in a shell of their
    own, so that what they set is gone behind the bracket. ``ignored``: how they end makes no difference (``|| true``),
    None where that cannot be told (``&``); ``dead``: they are never reached, as behind ``if false`` or ``exit``.
    """

    stages: tuple[Simple, ...]
    conditional: bool
    chained: bool = False
    aside: bool = False
    ignored: bool | None = False
    dead: bool = False


@dataclass(frozen=True)
class Loop:
    """``for name in words``: its body follows in the list of statements."""

    name: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Function:
    """A function, which does something only where it is called."""

    name: str
    body: tuple[Statement, ...]


Statement = Pipeline | Loop | Function


def parse(text: str, line: int = 1) -> tuple[Statement, ...]:
    """Take a shell text apart; ``line`` is the number of its first line.

    Raises:
        UnansweredError: a quote, bracket or block has no end, or the like; says the line.
    """
    return _Parser(tokens(text, line)).statements()


class _Parser:
    """Flattens: what follows a keyword is read as the next command, and the keyword is dropped."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.blocks: list[str] = []
        self.deep = 0
        self.tested = False  # the commands before && were a test
        self.chained = False  # the latest operator was && or ||
        self.status: bool | None = None  # whether the command before has succeeded, where that is always the same
        self.skipped = False  # it decides, by the latest operator, that the next command is not reached
        self.ended = False  # behind an exit that nothing decides on
        self.always: dict[int, bool | None] = {}  # how the condition of a block turns out, by its depth
        self.dead: set[int] = set()  # the depths of blocks that are never reached

    def statements(self, stop: str = "") -> tuple[Statement, ...]:
        found: list[Statement] = []
        depth = len(self.blocks)
        while self._peek().kind != "end":
            token = self._peek()
            if token.kind == "operator":
                if token.text == ")" and stop == ")" and len(self.blocks) == depth:
                    self.at += 1
                    return tuple(found)
                self._operator(token.text)
                continue
            word = self._plain(token)
            if stop == "}" and word == "}" and len(self.blocks) == depth:
                self.at += 1
                return tuple(found)
            if not self._keyword(word):
                found += self._statement(word)
        if stop:
            raise self._problem(f"a block has no end ({stop})")
        return tuple(found)

    def _problem(self, what: str) -> UnansweredError:
        return UnansweredError(f"line {self._peek().line}: {what}")

    def _peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    @staticmethod
    def _plain(token: Token) -> str:
        """The text of a word that is a keyword or a name; quoted it is none."""
        if token.kind == "word" and all(each.kind == "text" and not each.quoted for each in token.word):
            return "".join(each.text for each in token.word)
        return ""

    def _operator(self, text: str) -> None:
        self.at += 1
        if text in (";;", ";;&", ";&") and "case" in self.blocks:
            self._pattern()
        elif text not in ("&&", "||"):
            self.tested = False
        self.chained = text in ("&&", "||")
        if text == "(":
            self._open("(")
        elif text == ")" and self.blocks and self.blocks[-1] == "(":
            self._close()
        if not self.chained:
            self.status = None
        self.skipped = self.status is not None and self.status == (text == "||")

    def _open(self, block: str) -> None:
        self.blocks.append(block)
        if self.skipped:
            self.dead.add(len(self.blocks))

    def _close(self) -> None:
        self.dead.discard(len(self.blocks))
        self.always.pop(len(self.blocks), None)
        self.blocks.pop()
        self.status = None

    def _decided(self, word: str) -> None:
        """Note which branches of a block a condition that is always the same leaves out."""
        depth = len(self.blocks)
        before = self.always.get(depth)
        if word in ("else", "elif") and before is not None:
            (self.dead.add if before else self.dead.discard)(depth)
        if word in ("if", "while", "until") or (word == "elif" and not before):
            self.always[depth] = self._constant()
        elif word in ("then", "do") and before is not None and before == (self.blocks[-1] == "until"):
            self.dead.add(depth)

    def _constant(self) -> bool | None:
        """How the condition that comes next turns out; None where that is not always the same."""
        negated = self._plain(self._peek()) == "!"
        word = self._plain(self._peek(negated))
        ahead = self._lines_on(negated + 1, (";", "\n"))
        if word not in CONSTANTS or self._plain(self._peek(ahead)) not in ("then", "do"):
            return None
        return CONSTANTS[word] != negated

    def _lines_on(self, ahead: int, operators: tuple[str, ...] = ("\n",)) -> int:
        """How far ahead the first token is that is none of these operators."""
        while self._peek(ahead).kind == "operator" and self._peek(ahead).text in operators:
            ahead += 1
        return ahead

    def _keyword(self, word: str) -> bool:
        if word in OPENING:
            self.at += 1
            if word in ("if", "while", "until", "{"):
                self._open(word)
            self._decided(word)
        elif word in CLOSING:
            self.at += 1
            if self.blocks:
                self._close()
        elif word == "case":
            self.at += 2
            while self._peek().kind == "operator" and self._peek().text == "\n":
                self.at += 1
            self.at += 1  # in
            self.blocks.append("case")
            self._pattern()
        elif word == "[[":
            self._test()
        else:
            return False
        return True

    def _pattern(self) -> None:
        """Skip the patterns of a branch of case, up to their closing bracket; or stay before esac."""
        while self._peek().kind != "end":
            token = self._peek()
            if self._plain(token) == "esac":
                return
            self.at += 1
            if token.kind == "operator" and token.text == ")":
                return

    def _test(self) -> None:
        while self._peek().kind != "end" and self._plain(self._peek()) != "]]":
            self.at += 1
        self.at += 1
        self.tested = True
        self.status = self.status if self.skipped else None

    def _statement(self, word: str) -> Iterator[Statement]:
        if word in ("for", "select"):
            yield from self._loop()
        elif word == "function" or (word and self._peek(1).text == "(" and self._peek(2).text == ")"):
            yield self._function(word)
        else:
            yield self._pipeline()

    def _loop(self) -> Iterator[Statement]:
        self.at += 1
        name = self._plain(self._peek())
        self.blocks.append("for")
        if not name:  # for ((…; …; …))
            while self._peek().kind != "end" and self._plain(self._peek()) != "do":
                self.at += 1
            return
        self.at += 1
        words: list[Word] = []
        if self._plain(self._peek()) == "in":
            self.at += 1
            while self._peek().kind == "word":
                words.append(self._peek().word)
                self.at += 1
        else:
            words = [(Part("variable", "@", quoted=True),)]
        yield Loop(name, tuple(words))

    def _function(self, word: str) -> Function:
        if word == "function":
            self.at += 1
            word = self._plain(self._peek())
        self.at += 1
        while self._peek().kind == "operator" and self._peek().text in ("(", ")", "\n"):
            opened = self._peek().text == "(" and self._peek(1).text != ")"
            self.at += 1
            if opened:
                return Function(word, self._inner(")"))
        if self._plain(self._peek()) == "{":
            self.at += 1
            return Function(word, self._inner("}"))
        raise self._problem(f"the function {word[:60]} has no body in brackets")

    def _inner(self, stop: str) -> tuple[Statement, ...]:
        if self.deep > DEEPEST:
            raise self._problem("functions within functions, too many to be read")
        self.deep += 1
        outer = self.blocks, self.ended, self.always, self.dead
        self.blocks, self.ended, self.always, self.dead = ["function"], False, {}, set()
        body = self.statements(stop)
        self.blocks, self.ended, self.always, self.dead = outer
        self.deep -= 1
        return body

    def _pipeline(self) -> Pipeline:
        conditional = self.tested or any(each in ("if", "while", "until", "case") for each in self.blocks)
        before = self._peek(-1)
        opens = not self.chained or self._plain(before) in OPENING or before.text == "("
        alone = opens and self._plain(before) != "!"
        stages = [self._simple()]
        while self._peek().kind == "operator" and self._peek().text in ("|", "|&"):
            self.at += 1
            while (self._peek().kind == "operator" and self._peek().text in ("\n", "(")) or self._opens():
                if self._peek().text == "(":
                    self.blocks.append("(")
                self.at += 1
            stages.append(self._simple())
        first = self._plain_word(stages[0])
        self.tested = self.tested or first in ("[", "test")
        dead = self.ended or self.skipped or bool(self.dead)
        if not self.skipped:
            self.status = CONSTANTS.get(first) if len(stages) == 1 and alone else None
        if first in ("exit", "return") and not (conditional or self.chained or dead or set(self.blocks) - {"function"}):
            self.ended = True
        return Pipeline(tuple(stages), conditional, self.chained, "(" in self.blocks, self._ignored(), dead)

    def _ignored(self) -> bool | None:
        """Whether what comes behind a pipeline makes nothing of how it ends; None where that cannot be told."""
        if self._peek().kind != "operator" or self._peek().text not in ("||", "&"):
            return False
        if self._peek().text == "&":
            return None
        ahead = self._lines_on(1)
        idle = self._plain(self._peek(ahead)) in IDLE
        while self._peek(ahead).kind in ("word", "redirect"):
            ahead += 1
        return idle and not (self._peek(ahead).kind == "operator" and self._peek(ahead).text in ("&&", "||", "|", "|&"))

    def _opens(self) -> bool:
        word = self._plain(self._peek())
        if word in ("while", "until", "if", "{"):
            self.blocks.append(word)
        return word in OPENING

    @staticmethod
    def _plain_word(simple: Simple) -> str:
        return "".join(each.text for each in simple.words[0]) if simple.words else ""

    def _simple(self) -> Simple:
        words: list[Word] = []
        writes: list[Word] = []
        reads: list[Word] = []
        documents: list[str] = []
        line = self._peek().line
        while self._peek().kind in ("word", "redirect"):
            token = self._peek()
            self.at += 1
            if token.kind == "word":
                words.append(token.word)
            elif token.document is not None:
                documents += token.document
            elif token.text == "<<<":
                documents.append("".join(each.text for each in token.word))
            elif token.text in (">", ">|", "&>"):
                writes.append(token.word)
            elif token.text == "<":
                reads.append(token.word)
            if token.kind == "word" and self._peek().text == "(" and self._peek().kind == "operator":
                break
        return Simple(tuple(words), line, tuple(writes), tuple(reads), tuple(documents))
