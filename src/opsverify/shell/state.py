"""What is known at one point of a shell text: variables, arguments, functions, and the folder it is in."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace

from opsverify.shell.text import Statement
from opsverify.shell.values import ANY, FIELD, placed
from opsverify.shell.words import DEEPEST, NAME, Word

ASSIGNMENT = re.compile(rf"({NAME})(\[[^]]*\])?(\+?)=", re.DOTALL)


@dataclass
class State:
    """The state of a shell.

    ``file`` is the script that it reads, ``place`` where that stands when it is no file of its own; ``here`` are the
    folders that it may be in; ``values`` all that a variable may hold. ``positional`` is None where nothing is known
    of the arguments.
    """

    file: str
    place: str
    here: tuple[str, ...]
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    positional: tuple[str, ...] | None = ()
    functions: dict[str, tuple[str, tuple[Statement, ...]]] = field(default_factory=dict)

    def copied(self) -> State:
        """A state of its own, for what cannot reach back."""
        return replace(self, values=dict(self.values), exported=set(self.exported), functions=dict(self.functions))

    def of_child(self, path: str, arguments: tuple[str, ...] | None) -> State:
        """The state that a script begins with."""
        values = {name: each for name, each in self.values.items() if name in self.exported or name == "HOME"}
        return State(path, "", self.here, values, set(self.exported), arguments)

    @staticmethod
    def assignment(word: Word) -> tuple[str, Word, bool] | None:
        """Name and value where a word is an assignment, and whether of a part only (``+=``, one of an array)."""
        first = word[0] if word else None
        if first is None or first.kind != "text" or first.quoted:
            return None
        match = ASSIGNMENT.match(first.text)
        if match is None:
            return None
        value = (replace(first, text=first.text[match.end() :]), *word[1:])
        return match[1], value, bool(match[2] or match[3])

    def assign(self, name: str, values: tuple[str, ...], *, perhaps: bool) -> None:
        """Give a variable its values; ``perhaps`` it keeps the former ones."""
        former = self.values.get(name, ()) if perhaps else ()
        found = tuple(dict.fromkeys((*former, *values)))
        self.values[name] = found if len(found) <= DEEPEST else (ANY,)

    def looked_up(self, name: str) -> tuple[str, ...] | None:
        """All that a variable or argument may hold; None where it is not set here."""
        if name in ("@", "*"):
            return (FIELD.join(self.positional),) if self.positional is not None else (ANY,)
        if name.isdigit():
            if self.positional is None:
                return (ANY,)
            index = int(name) - 1 if len(name) < 4 else len(self.positional)
            return (self.positional[index],) if 0 <= index < len(self.positional) else None
        return self.here if name == "PWD" else self.values.get(name)

    def moved(self, target: str, *, perhaps: bool) -> None:
        """``cd target``."""
        home = self.values.get("HOME", (ANY,))[0]
        target = home if target == "~" else target
        found = tuple(posixpath.normpath(placed(each, target)) for each in self.here)
        self.here = tuple(dict.fromkeys((*self.here, *found) if perhaps else found))[:DEEPEST]

    def declared(self, command: str, words: tuple[str, ...], *, perhaps: bool) -> None:
        """``export`` and its like."""
        for each in words:
            name, equals, value = each.partition("=")
            if equals:
                self.assign(name, (value,), perhaps=perhaps)
            if command == "export" or "-x" in words:
                self.exported.add(name)

    def changed(self, command: str, words: tuple[str, ...], *, perhaps: bool) -> None:
        """``shift``, ``set`` and ``unset``."""
        if command == "shift":
            count = int(words[0]) if words and re.fullmatch(r"\d{1,3}", words[0]) else 1
            self.positional = None if perhaps or self.positional is None else self.positional[count:]
        elif command == "set" and "--" in words:
            self.positional = None if perhaps else words[words.index("--") + 1 :]
        elif command == "unset":
            for each in words:
                self.values.pop(each, None)
