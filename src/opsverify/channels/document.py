"""The document channel: the files that people keep beside a profile, and the digests of what they refer to."""

from __future__ import annotations

import hashlib
from pathlib import Path

from opsverify.channels.base import LONGEST_ANSWER, Channel
from opsverify.channels.coding import Coding, key
from opsverify.documents import Documents, Folder, Which
from opsverify.errors import RefusedError, UnansweredError, UsageError
from opsverify.transcript import Transcript


class DocumentChannel(Channel):
    """Reads what people keep on file: the documents beside a profile, artefacts of attestations, signed inventories.

    It opens nothing else: what is asked for is named by the profile, or lies in the folder of the attestations.
    """

    kind = "document"

    def __init__(self, target: str, documents: Documents, transcript: Transcript) -> None:
        super().__init__(target, "runner", 0.0, transcript)
        self.documents = documents

    def text(self, which: Which) -> str | None:
        """The text of one of the files; None when it does not exist.

        Raises:
            UnansweredError: it exists but cannot be read, is too long or no UTF-8.
        """
        return self._read(self.documents.path(which), self.documents.shown(which))

    def keys(self, name: str) -> str | None:
        """The text of a file of a signed inventory of keys, by the name in the profile; None when it does not exist.

        Raises:
            RefusedError: the profile names no such file.
            UnansweredError: as `text`.
        """
        if name not in self.documents.keys:
            raise self.refuse({"read": name}, "the profile names no such file of a keystore")
        return self._read(self.documents.keys[name], name)

    def records(self, folder: Folder) -> dict[str, str]:
        """The text of each record in a folder, by the path that messages show; empty where there is no such folder.

        Raises:
            UnansweredError: the folder or a file cannot be read, is too long or no UTF-8.
        """
        shown = self.documents.shown(folder)

        def send() -> list[str]:
            try:
                return self.documents.records(folder)
            except UsageError as error:
                raise UnansweredError(str(error)) from None

        names: list[str] = self.exchange({"list": shown}, send, key("files"))
        path = self.documents.path(folder)
        return {f"{shown}/{name}": self._read(path / name, f"{shown}/{name}") or "" for name in names}

    def manual(self, name: str = "") -> str | None:
        """The text of the operations manual, or of one beside it by ``name``; None when it does not exist.

        Raises:
            RefusedError: the profile names no manual, or ``name`` leads out of its folder.
            UnansweredError: as `text`.
        """
        manual = self.documents.manual
        if manual is None:
            raise self.refuse({"read": name or "manual"}, "the profile names no manual")
        path = (manual.parent / name).resolve() if name else manual
        if name and not path.is_relative_to(manual.parent.resolve()):
            raise self.refuse({"read": name}, "it does not lie beside the manual")
        return self._read(path, name or manual.name)

    def artefact(self, artefact: str) -> str | None:
        """The text of a file in the folder of the attestations; None when it does not exist.

        Raises:
            RefusedError: the path, or what it links to, lies outside of that folder.
            UnansweredError: as `text`.
        """
        return self._read(self._inside(artefact, {"read": artefact}), artefact)

    def _read(self, path: Path, name: str) -> str | None:
        def send() -> str | None:
            content = content_of(path, name)
            try:
                return None if content is None else content.decode("utf-8")
            except UnicodeDecodeError:
                raise UnansweredError(f"{name}: cannot be read: it is no UTF-8") from None

        return self.exchange({"read": name}, send, TEXT)

    def _inside(self, artefact: str, question: dict[str, str]) -> Path:
        try:
            return inside(self.documents, Path(artefact))
        except RefusedError as error:
            raise self.refuse(question, str(error)) from None

    def digest(self, artefact: str) -> str | None:
        """The SHA-256 of a file in the folder of the attestations, in hexadecimal; None when it does not exist.

        Raises:
            RefusedError: the path, or what it links to, lies outside of that folder.
            UnansweredError: it exists but cannot be read, or is too long.
        """
        question = {"digest": artefact}
        path = self._inside(artefact, question)

        def send() -> str | None:
            content = content_of(path, artefact)
            return None if content is None else hashlib.sha256(content).hexdigest()

        digest: str | None = self.exchange(question, send, key("sha256"))
        return digest


def inside(documents: Documents, artefact: Path) -> Path:
    """Where an artefact lies, with every link followed. ``artefact`` is relative to the folder of the attestations.

    Raises:
        RefusedError: outside of that folder.
    """
    folder = documents.attestations.parent.resolve()
    path = (folder / artefact).resolve()
    if artefact.is_absolute() or not path.is_relative_to(folder) or path == folder:
        raise RefusedError(f"{artefact} does not lie inside the folder of the attestations")
    return path


def content_of(path: Path, name: str) -> bytes | None:
    """What a file holds; None when it does not exist.

    Raises:
        UnansweredError: it cannot be read, or is longer than ``LONGEST_ANSWER`` bytes.
    """
    try:
        if path.exists() and not path.is_file():
            raise UnansweredError(f"{name}: cannot be read: it is no regular file")
        with path.open("rb") as file:
            content = file.read(LONGEST_ANSWER + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnansweredError(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > LONGEST_ANSWER:
        raise UnansweredError(f"{name}: is longer than {LONGEST_ANSWER} bytes")
    return content


def _written(text: str | None) -> dict[str, str | None]:
    """With the digest of the file, whose bytes are those of its text; no file is an answer too."""
    return {"sha256": None if text is None else hashlib.sha256(text.encode()).hexdigest(), "text": text}


TEXT: Coding[str | None] = Coding(_written, lambda written: written["text"])
