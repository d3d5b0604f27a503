"""Which commands a shell text would run, with the words that they would be given: told by reading, never by running.

Every branch is followed, a variable keeps each value that it may have, and scripts are followed into the scripts
that they run or include. What cannot be told stays open (`values.ANY`), so that it is doubted, not overlooked.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opsverify.errors import UnansweredError
from opsverify.shell.commands import (
    CARRIERS,
    GIVERS,
    HANDLERS,
    INTERPRETER,
    LISTERS,
    PRINTERS,
    SHELLS,
    SYSTEM,
    operand,
    unclear,
    untold,
)
from opsverify.shell.expansion import Expansion
from opsverify.shell.facts import Followed, Job, Ran, Stage, Text
from opsverify.shell.state import State
from opsverify.shell.text import Function, Loop, Pipeline, Simple, Statement, parse
from opsverify.shell.values import ANY, FIELD, arguments, fed, known, placed, plain, printed, shown
from opsverify.shell.words import DEEPEST, Word

DELETES = re.compile(r"(^|[\s;&|({/])(rm|find|unlink|shred|truncate|xargs|logrotate)\s")
MOST_RAN, MOST_TEXT = 20_000, 20_000_000  # commands, and characters of their words
MOST_ARGUMENTS = 1000  # that are looked at for names of scripts
PERIODIC = re.compile(r"/etc/cron\.(hourly|daily|weekly|monthly|yearly)/?")
DECLARING = {"export", "declare", "typeset", "local", "readonly"}


@dataclass
class Reader(Expansion):
    """Reads jobs with the scripts that they lead to.

    ``programs`` are the paths of local programs by name. ``wanted`` are files that have to be read first, and whether
    they are surely run or included; with a slash at the end, folders that have to be listed.
    """

    texts: Mapping[str, Text]
    programs: Mapping[str, str] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    fed: list[Ran] = field(default_factory=list)
    doubts: list[tuple[str, str]] = field(default_factory=list)
    foreign: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, bool] = field(default_factory=dict)
    _seen: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    _defined: dict[tuple[str, str], State] = field(default_factory=dict)
    _called: set[tuple[str, str]] = field(default_factory=set)
    _traps: dict[tuple[str, str], State] = field(default_factory=dict)
    _deep: int = 0
    _size: int = 0
    _guessed: bool = False  # a function is read that nothing was seen to call
    # What holds for all that the command at hand leads to.
    _ignored: bool | None = False
    _dead: bool = False
    _captured: bool = False

    def followed(self) -> Followed:
        """All that was found."""
        done: set[tuple[str, str]] = set()
        while left := [each for each in self._traps if each not in done]:  # one may set another
            done.update(left)
            for text, where in left:
                self._trap(text, self._traps[text, where].copied(), where)
        self._uncalled()
        return Followed(tuple(self.ran), tuple(self.fed), tuple(dict.fromkeys(self.doubts)), dict(self.foreign))

    def job(self, job: Job) -> None:
        """Follow one job."""
        home = "/root" if job.user == "root" else f"/home/{job.user}"
        home = plain(dict(job.environment).get("HOME", home))
        state = State(job.where, job.where, (home,), {"HOME": (home,)})
        if job.folder:
            state.moved(job.folder, perhaps=False)
        for name, value in job.environment:
            state.values[name] = (plain(value),)
            state.exported.add(name)
        self._text(plain(job.command), state, conditional=False)

    def _text(self, text: str, state: State, *, conditional: bool) -> Ran | None:
        """Follow a text; gives its last pipeline."""
        last = None
        if self._deep > DEEPEST:
            self.doubts.append((state.place or state.file, "texts within texts, too deep to be read"))
            return last
        self._deep += 1
        try:
            last = self._follow(parse(text), state, conditional=conditional)
        except UnansweredError as error:
            self.doubts.append((state.place or state.file, str(error)))
        finally:
            self._deep -= 1
        return last

    def _trap(self, text: str, state: State, where: str) -> None:
        """A trap runs at the end, with what variables hold then."""
        state.place = where
        if text in state.functions:
            self._function(text, (), state, conditional=False)
        else:
            self._text(text, state, conditional=False)

    def _uncalled(self) -> None:
        """A function that nothing was seen to call may be called in a way that was not seen."""
        self._guessed = True
        while left := [each for each in self._defined if each not in self._called]:
            for key in left:
                self._called.add(key)
                state = self._defined[key]
                state.positional = None
                self._follow(state.functions[key[1]][1], state, conditional=False)

    def _follow(self, statements: Sequence[Statement], state: State, *, conditional: bool) -> Ran | None:
        last = None
        for each in statements:
            if isinstance(each, Function):
                state.functions[each.name] = (state.file, each.body)
                self._defined.setdefault((state.file, each.name), state.copied())
            elif isinstance(each, Loop):
                ways = arguments([self.expand(word, state) for word in each.words])
                fields = tuple(dict.fromkeys(one for way in ways for one in way))
                state.assign(each.name, fields or (ANY,), perhaps=True)
            else:
                last = self._pipeline(each, state, conditional=conditional or each.conditional)
        return last

    def _pipeline(self, pipeline: Pipeline, state: State, *, conditional: bool) -> Ran:
        where = state.place or f"{state.file}:{pipeline.stages[0].line}"
        if len(self.ran) >= MOST_RAN or self._size > MOST_TEXT:
            self.doubts.append((where, "too many commands to follow them all"))
            return Ran(where, (), conditional, ())
        perhaps = conditional or pipeline.chained or pipeline.aside
        here, stages = state.here, []
        for simple in pipeline.stages:
            words = self._assigned(simple, state, perhaps=perhaps)
            ways = arguments([self.expand(word, state) for word in words])
            written = [value for word in simple.writes for value in self.expand(word, state)]
            self._size += sum(map(len, (word for way in ways for word in way)))
            stages.append(Stage(ways, tuple(posixpath.join(folder, each) for each in written for folder in here)))
        outer = self._ignored, self._dead
        both = {self._ignored, pipeline.ignored}
        self._ignored = True if True in both else None if None in both else False
        self._dead = self._dead or pipeline.dead
        ran = Ran(where, tuple(stages), conditional, here, self._guessed, self._ignored, self._dead, self._captured)
        self.ran.append(ran)
        fed_on = any(posixpath.basename(way[0]) in CARRIERS for each in stages[1:] for way in each.ways if way)
        for index, (simple, stage) in enumerate(zip(pipeline.stages, stages, strict=True)):
            for way in filter(None, stage.ways):
                if index and way[0] == "read":
                    self._read(way[1:], ran, state)
                elif not self._builtin(way, state, where, perhaps=perhaps):
                    self._leads(way, simple, state, where, conditional=conditional, fed_on=fed_on)
                    if posixpath.basename(way[0]) in SHELLS and operand(way) is None:
                        self._input(simple, stages[index - 1].ways if index else (), state, where)
        self._ignored, self._dead = outer
        return ran

    def _input(self, simple: Simple, before: tuple[tuple[str, ...], ...], state: State, where: str) -> None:
        """Follow what a shell is given to read: scripts, or the output of the command before it."""
        paths = [path for word in simple.reads for path in self.expand(word, state)]
        for way in filter(None, before):
            if posixpath.basename(way[0]) == "cat" and len(way) > 1:
                paths += way[1:]
            elif posixpath.basename(way[0]) not in PRINTERS or not known(" ".join(way)):
                paths.append(ANY)
        for path in (placed(folder, each) for each in paths for folder in state.here):
            self._script(path, (), state, where, surely=True)

    def _read(self, names: tuple[str, ...], ran: Ran, state: State) -> None:
        """``… | while read name``: the variable holds what the pipeline found."""
        self.fed.append(ran)
        for each in names:
            state.values[each] = (fed(len(self.fed) - 1),)

    def _assigned(self, simple: Simple, state: State, *, perhaps: bool) -> Sequence[Word]:
        """Make the assignments at a command's begin; gives the words behind them."""
        for index, word in enumerate(simple.words):
            match = state.assignment(word)
            if match is None:
                state.exported |= {each[0].text.partition("=")[0] for each in simple.words[:index]}
                return simple.words[index:]
            name, value, partly = match
            values = tuple(each.replace(FIELD, " ") for each in self.expand(value, state))
            if any(each.kind == "array" for each in value):
                values = self.expand(value, state)
            state.assign(name, (ANY,) if partly else values, perhaps=perhaps)
        return ()

    def output(self, text: str, state: State) -> tuple[str, ...]:
        """What a command within a word prints; it is followed like any other."""
        inner = state.copied()
        inner.place = state.place or state.file
        captured, self._captured = self._captured, True
        last = self._text(text, inner, conditional=False)
        self._captured = captured
        if last is None or not last.stages:
            return (ANY,)
        if {posixpath.basename(way[0]) for way in last.stages[0].ways if way} & LISTERS:
            self.fed.append(last)
            return (fed(len(self.fed) - 1),)
        if len(last.stages) > 1:
            return (ANY,)
        found = [value for way in last.stages[0].ways if way for value in printed(way, inner.here)]
        return tuple(dict.fromkeys(found)) or (ANY,)

    # ---- what commands do to the state, and where they lead

    def _builtin(self, argv: tuple[str, ...], state: State, where: str, *, perhaps: bool) -> bool:
        """Let a builtin change the state; False when it is none of those that do."""
        name, rest = argv[0], argv[1:]
        if name in ("cd", "pushd"):
            state.moved(next((each for each in rest if not each.startswith("-")), "~"), perhaps=perhaps)
        elif name in DECLARING:
            state.declared(name, rest, perhaps=perhaps)
        elif name in ("read", "mapfile", "readarray", "getopts"):
            state.values.update(dict.fromkeys(rest, (ANY,)))
        elif name in ("shift", "set", "unset"):
            state.changed(name, rest, perhaps=perhaps)
        elif name == "alias":
            for each in rest:
                word, equals, value = each.partition("=")
                if equals and known(value):
                    state.functions[word] = (state.file, parse(f'{value} "$@"'))
                elif equals:
                    self.doubts.append((where, "an alias that cannot be told"))
        else:
            return False
        return True

    def _leads(
        self, argv: tuple[str, ...], simple: Simple, state: State, where: str, *, conditional: bool, fed_on: bool
    ) -> None:
        """Follow a command to functions, texts and scripts."""
        name, rest = posixpath.basename(argv[0]), argv[1:]
        if argv[0] in state.functions:
            self._function(argv[0], rest, state, conditional=conditional)
        elif argv[0] in (".", "source") and rest:
            self._include(rest, state, where, conditional=conditional)
        elif name == "trap":
            self._traps.update(((each, where), state) for each in [word for word in rest if word != "--"][:1])
        elif name == "eval":
            text = " ".join(rest)
            if not known(text):
                self.doubts.append((where, "runs a text that cannot be told before (eval)"))
            outer, state.place = state.place, where
            self._text(text, state, conditional=conditional)
            state.place = outer
        else:
            if untold(argv) and not self._guessed:
                self.doubts.append((where, f"{shown(' '.join(argv))}: it cannot be told what this runs"))
            texts = (" ".join(rest),) if name in PRINTERS and fed_on else () if name in PRINTERS else rest
            self._texts(name, texts, simple.documents, state, where, conditional=conditional)
            self._scripts(argv, state, where)

    def _texts(
        self, name: str, given: Sequence[str], documents: Sequence[str], state: State, where: str, *, conditional: bool
    ) -> None:
        """Follow the texts that a command is given to run: among its words, and as its here-documents."""
        inner = state.copied()
        inner.place = where
        for document in documents:
            if name in CARRIERS:
                self._text(document, inner, conditional=conditional)
            elif INTERPRETER.fullmatch(name):
                self.foreign[where] = document
        for each in given:
            if re.search(r"\s", each) and (DELETES.search(f"{each} ") or name in CARRIERS):
                inner.positional = None
                self._text(each, inner, conditional=conditional)

    def _function(self, name: str, rest: tuple[str, ...], state: State, *, conditional: bool) -> None:
        file, body = state.functions[name]
        key = (f"{file}#{name}", rest)
        self._called.add((file, name))
        if key in self._seen or self._deep > DEEPEST:
            return
        self._seen.add(key)
        self._deep += 1
        outer = state.positional, state.file, state.place
        state.positional, state.file = rest, file
        self._follow(body, state, conditional=conditional)
        state.positional, state.file, state.place = outer
        self._deep -= 1
        self._seen.discard(key)

    def _scripts(self, argv: tuple[str, ...], state: State, where: str) -> None:
        name = posixpath.basename(argv[0])
        paths = [each for value in state.values.get("PATH", ()) for each in value.split(":")]
        paths = [each for each in paths if each.startswith("/") and known(each) and not SYSTEM.match(f"{each}/")]
        if name == "run-parts":
            for each in argv[1:]:
                self._folder(each, state, where)
        run = {argv[0], operand(argv)}
        for index, each in enumerate(argv[: 1 if name in HANDLERS | PRINTERS else MOST_ARGUMENTS]):
            rest = None if name in GIVERS else argv[index + 1 :]
            surely = each in run
            if each.startswith("/"):
                self._script(each, rest, state, where, surely=surely)
            elif surely and ("/" in each or index):
                for folder in state.here:
                    self._script(placed(folder, each), rest, state, where, surely=surely)
            elif known(each) and re.fullmatch(r"[\w.+-]+", each):
                for folder in paths:
                    self._script(posixpath.join(folder, each), rest, state, where, surely=False)
            if each in self.programs:
                self._script(self.programs[each], rest, state, where, surely=False)

    def _include(self, rest: tuple[str, ...], state: State, where: str, *, conditional: bool) -> None:
        beside = posixpath.dirname(state.file)
        path = rest[0] if "/" in rest[0] else posixpath.join(beside, rest[0])
        path = posixpath.normpath(posixpath.join(state.here[0], path))
        if unclear(path):
            self.doubts.append((where, "includes a file whose name cannot be told"))
        if unclear(path) or SYSTEM.match(path):
            return
        text, key = self._loaded(path, where, surely=True), (path, ("<included>",))
        if text is not None and text.kind in ("shell", "data") and key not in self._seen:
            self._seen.add(key)
            outer = state.file, state.place
            state.file, state.place = path, ""
            self._text(text.text, state, conditional=conditional)
            state.file, state.place = outer
            self._seen.discard(key)

    def _folder(self, path: str, state: State, where: str) -> None:
        """Follow the scripts of a folder; those of cron are jobs already."""
        if path.startswith("-") or PERIODIC.fullmatch(path) or SYSTEM.match(f"{path}/"):
            return
        if not known(path) or not path.startswith("/"):
            self.doubts.append((where, f"what is run in {shown(path)} cannot be told"))
            return
        key = f"{posixpath.normpath(path)}/"
        if key not in self.texts:
            self.wanted[key] = False
        elif self.texts[key].kind == "folder":
            for each in self.texts[key].text.splitlines():
                self._script(each, (), state, where, surely=True)

    def _script(self, path: str, rest: tuple[str, ...] | None, state: State, where: str, *, surely: bool) -> None:
        """Follow a script; names among its arguments may be those of scripts beside it."""
        path = posixpath.normpath(path)
        if surely and unclear(path) and not self._guessed:
            self.doubts.append((where, f"{shown(path)}: it cannot be told what this runs"))
        if not known(path) or (SYSTEM.match(path) and not path.endswith((".sh", ".bash"))):
            return
        text = self._loaded(path, where, surely=surely)
        key = (path, (ANY,) if rest is None else rest)
        if text is None or text.kind != "shell" or key in self._seen:
            return
        self._seen.add(key)
        self._text(text.text, state.of_child(path, rest), conditional=False)
        for each in rest or ():
            if re.fullmatch(r"[\w.-]+\.(sh|bash)", each):
                self._script(posixpath.join(posixpath.dirname(path), each), (), state, where, surely=False)

    def _loaded(self, path: str, where: str, *, surely: bool) -> Text | None:
        text = self.texts.get(path)
        if text is None or (text.kind == "data" and surely and not text.text):
            self.wanted[path] = self.wanted.get(path, False) or surely
            return None
        if text.kind == "unread":
            self.doubts.append((where, f"{path} {text.text}"))
        elif text.kind == "foreign":
            self.foreign[path] = text.text
        return text
