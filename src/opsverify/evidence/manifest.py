r"""The manifest of a bundle: ``SHA256SUMS`` as coreutils write and check it, both ways, and held against a folder.

One line a file, ``<64 hex digits>  <path>``, sorted by the bytes of the paths. A path that holds a backslash, a newline
or a carriage return has these written as ``\\``, ``\n`` and ``\r``, and a backslash before the digest says so.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from opsverify.errors import OpsverifyError
from opsverify.evidence.finding import Finding

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
ITSELF = (SUMS, SIGNATURE)  # what the manifest of a folder cannot list
STDIN = "-"  # what sha256sum does not look for in the folder
LINE = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-f]{64})  (?P<name>.+)", re.DOTALL)
ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
UNESCAPES = {written: meant for meant, written in ESCAPES.items()}
# Names are bytes; those that are no UTF-8 are carried through a text as lone surrogates.
ENCODING = ("utf-8", "surrogateescape")

MOST_BYTES = 64 * 1024 * 1024  # of a manifest; a run has some dozens of files

Digests = Mapping[str, str]


class ManifestError(OpsverifyError):
    """A text is no manifest: the line, and what is wrong with it."""


class Contents(NamedTuple):
    """What is in a folder: regular files by path, and what else there is, by path, in words."""

    files: dict[str, Path]
    others: dict[str, str]


def dump(digests: Digests) -> bytes:
    """The text of a manifest."""
    ordered = sorted((name.encode(*ENCODING), name) for name in digests)
    return b"".join(_line(digests[name], name) for _, name in ordered)


def _line(digest: str, name: str) -> bytes:
    escaped = spelled(name)
    return f"{chr(92) * (escaped != name)}{digest}  {escaped}\n".encode(*ENCODING)


def spelled(name: str) -> str:
    """A path in one line, as a manifest has it."""
    return "".join(ESCAPES.get(each, each) for each in name)


def parse(content: bytes) -> dict[str, str]:
    """The digests of a manifest, by path, in its order. Only what `dump` writes is one.

    Raises:
        ManifestError: a line that is not understood, twice the same path, another order, a path that leads out of the
            folder, or no line at all.
    """
    *lines, rest = content.decode(*ENCODING).split("\n")
    if rest or not lines:
        raise ManifestError("it is empty" if not content else f"line {len(lines) + 1}: has no end")
    found: dict[str, str] = {}
    for number, each in enumerate(lines, start=1):
        name, digest = _parsed(each, number)
        if name in found:
            raise ManifestError(f"line {number}: {name!r} stands there twice")
        found[name] = digest
    if dump(found) != content:
        raise ManifestError("its lines are not in their order, or not written as sha256sum writes them")
    return found


def _parsed(text: str, number: int) -> tuple[str, str]:
    match = LINE.fullmatch(text)
    if match is None:
        raise ManifestError(f"line {number}: expected 64 hex digits, two blanks and a path")
    name = match["name"]
    if match["escaped"]:
        if "\\" in re.sub(r"\\[\\nr]", "", name):
            raise ManifestError(f"line {number}: a backslash stands before something else than \\, n or r")
        name = re.sub(r"\\[\\nr]", lambda found: UNESCAPES[found[0]], name)
    if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name or name == STDIN:
        raise ManifestError(f"line {number}: {name!r} is no path inside of a folder")
    return name, match["digest"]


def digest_of(content: bytes) -> str:
    """The SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()


def contents(folder: Path) -> Contents:
    """Everything in a folder but its manifest and the signature of that.

    Raises:
        OSError: it cannot be looked into.
    """
    found = Contents({}, {})
    for name, path, mode in _walk(folder):
        if name in ITSELF and stat.S_ISREG(mode):
            continue
        if name == STDIN:
            found.others[name] = "a name by which sha256sum means its standard input"
        elif stat.S_ISREG(mode):
            found.files[name] = path
        else:
            found.others[name] = _kind(mode)
    return found


def content(path: Path) -> bytes:
    """What is in a file. A bundle may come from anywhere, so nothing is waited for that a pipe will never say.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger than any of those that a seal is made of.
    """
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"is {_kind(found.st_mode)}")
    if found.st_size > MOST_BYTES:
        raise OSError(errno.EFBIG, "is too large")
    return path.read_bytes()


def _walk(top: Path) -> Iterator[tuple[str, Path, int]]:
    """Path, place and mode of all that is no folder, and of folders that are empty."""
    waiting = [("", top)]  # no recursion: folders may lie deeper in one another than that goes
    while waiting:
        prefix, folder = waiting.pop()
        with os.scandir(folder) as scanned:
            entries = list(scanned)
        if prefix and not entries:
            yield prefix.removesuffix("/"), folder, stat.S_IFDIR
        for each in entries:
            mode = each.stat(follow_symlinks=False).st_mode
            name = prefix + each.name
            if stat.S_ISDIR(mode):
                waiting.append((f"{name}/", Path(each.path)))
            else:
                yield name, Path(each.path), mode


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "an empty folder" if stat.S_ISDIR(mode) else "no regular file"


def digests_of(folder: Path) -> dict[str, str]:
    """The digest of every file in a folder.

    Raises:
        OSError: a file cannot be read.
        ManifestError: there is something that has no content to take a digest of.
    """
    found = contents(folder)
    for name, what in found.others.items():
        raise ManifestError(f"{name}: is {what}, and cannot be sealed")
    return {name: digest_at(path) for name, path in found.files.items()}


def digest_at(path: Path) -> str:
    """The SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differences(folder: Path, expected: Digests) -> list[Finding]:
    """What of a folder is not as its manifest has it."""
    try:
        found = contents(folder)
    except OSError as error:
        return [Finding("ALTERED", f"{error.filename}: cannot be read: {error.strerror}")]
    findings = []
    for name, digest in expected.items():
        if name in found.others:
            findings.append(Finding("ALTERED", f"{name}: is {found.others[name]}, sealed was a file"))
        elif name not in found.files:
            findings.append(Finding("MISSING", f"{name}: is in {SUMS}, and is not there"))
        else:
            findings += _altered(name, found.files[name], digest)
    strange = {**dict.fromkeys(found.files, "a file"), **found.others}
    findings += [
        Finding("ADDED", f"{name}: is {what} that {SUMS} does not have")
        for name, what in sorted(strange.items())
        if name not in expected
    ]
    return findings


def _altered(name: str, path: Path, digest: str) -> Iterator[Finding]:
    try:
        observed = digest_at(path)
    except OSError as error:
        yield Finding("ALTERED", f"{name}: cannot be read: {error.strerror}")
        return
    if observed != digest:
        yield Finding("ALTERED", f"{name}: its SHA-256 is {observed}, sealed was {digest}")
