"""The ledger channel: what earlier runs wrote down about the archives of a store. What is taken over is on record."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from opsverify import ledger
from opsverify.channels.base import Channel
from opsverify.channels.coding import Coding, key
from opsverify.channels.document import content_of
from opsverify.errors import UnansweredError
from opsverify.ledger import Ledger, Verdict
from opsverify.transcript import Transcript

LOCK = ".verified.lock"


class LedgerChannel(Channel):
    """Reads the ledger of a profile's runs once, and writes the verdicts of one store into it.

    ``started`` is when this run began, the moment under which its verdicts are written down.
    """

    kind = "ledger"

    def __init__(self, store: str, file: Path, started: datetime, transcript: Transcript) -> None:
        super().__init__(store, "runner", 0.0, transcript)
        self.file = file
        self.started = started
        self._read: Ledger | None = None

    def earlier(self) -> Ledger:
        """What runs before this one wrote down of the store; nothing when there is no ledger.

        Raises:
            UnansweredError: it exists but cannot be read.
        """
        if self._read is None:  # once: what this run writes is no earlier run's
            self._read = self.exchange({"read": self.file.name}, self._parsed, of_store(self.target))
        return self._read

    def keep(self, verdicts: Sequence[Verdict], present: Collection[str]) -> None:
        """Write the verdicts of this run down; those on files of this store that are not ``present`` (paths) go.

        Raises:
            UnansweredError: the ledger cannot be written.
        """
        self.earlier()
        question = {"write": self.file.name, "verdicts": [each.model_dump(mode="json") for each in verdicts]}
        self.exchange(question, lambda: self._merge(verdicts, present), key("verdicts"))

    def _parsed(self) -> Ledger:
        content = content_of(self.file, self.file.name)
        # A byte that is no UTF-8 makes its own line malformed, and no other.
        return ledger.parse((content or b"").decode("utf-8", "backslashreplace"))

    def _merge(self, verdicts: Sequence[Verdict], present: Collection[str]) -> int:
        with self._locked():
            kept = {
                key: each
                for key, each in self._parsed().verdicts.items()
                if each.store != self.target or each.path in present
            }
            kept |= {(each.store, each.path): each for each in verdicts}
            self._replace(ledger.dump(kept.values()))
        return len(kept)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time: parallel workers share the file, and so may two runs."""
        try:
            with (self.file.parent / LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise UnansweredError(f"{self.file.name}: cannot be written: {error.strerror}") from None

    def _replace(self, text: str) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{self.file.name}-", dir=self.file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(self.file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def of_store(store: str) -> Coding[Ledger]:
    """A ledger, as far as it is about one store."""

    def encode(found: Ledger) -> dict[str, object]:
        mine = found.of(store).values()
        return {"malformed": list(found.malformed), "verdicts": [each.model_dump(mode="json") for each in mine]}

    def decode(written: dict[str, Any]) -> Ledger:
        verdicts = [Verdict.model_validate_json(json.dumps(each)) for each in written["verdicts"]]
        return Ledger({(each.store, each.path): each for each in verdicts}, tuple(written["malformed"]))

    return Coding(encode, decode)
