"""The manifest: written as coreutils write it and read as they read it, whatever files are called."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify.evidence import manifest
from opsverify.evidence.manifest import SUMS, ManifestError

HOSTILE = [
    "plain",
    "a b ",
    " leading",
    "\\",
    "\\n",
    "new\nline",
    "return\r",
    "\r\n\\",
    "*star",
    "-dash",
    "tab\t",
    "\x1b[31mred",
    "\u202eabc",
    "\u2028",
    "\x85",
    "\udcff\udcfe",
    "#comment",
    "汉字",
    "0" * 64 + "  x",
]
PARTS = st.text(
    st.sampled_from("\\\n\rn ar*#\x1b\t\u2028\udcff\u202e")
    | st.characters(exclude_categories=["Cs"], exclude_characters="/\0"),
    min_size=1,
    max_size=12,
).filter(lambda part: part not in (".", ".."))
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join).filter(lambda name: name != "-")
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.dictionaries(NAMES, DIGESTS, min_size=1, max_size=8))
def test_what_is_written_is_read_back(digests: dict[str, str]) -> None:
    text = manifest.dump(digests)
    assert manifest.parse(text) == digests
    assert manifest.dump(manifest.parse(text)) == text
    assert text.count(b"\n") == len(digests)


@given(st.binary(max_size=300) | NAMES.map(lambda name: f"{'0' * 64}  {name}\n".encode(*manifest.ENCODING)))
def test_hostile_text_is_a_manifest_in_its_one_form_or_none(content: bytes) -> None:
    try:
        found = manifest.parse(content)
    except ManifestError:
        return
    assert manifest.dump(found) == content


@given(st.dictionaries(NAMES, DIGESTS, min_size=1, max_size=3), st.data())
def test_no_other_text_means_the_same(digests: dict[str, str], data: st.DataObject) -> None:
    text = bytearray(manifest.dump(digests))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ManifestError):
        assert manifest.parse(bytes(text)) != digests


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "it is empty"),
        (b"\n", "line 1: expected 64 hex digits"),
        (b"0" * 64 + b"  a", "line 2: has no end|has no end"),
        (b"0" * 64 + b" *a\n", "line 1: expected"),
        (b"0" * 64 + b"  /etc/passwd\n", "no path inside"),
        (b"0" * 64 + b"  ../a\n", "no path inside"),
        (b"0" * 64 + b"  a/./b\n", "no path inside"),
        (b"0" * 64 + b"  a\n" + b"0" * 64 + b"  a\n", "twice"),
        (b"0" * 64 + b"  b\n" + b"0" * 64 + b"  a\n", "order"),
        (b"\\" + b"0" * 64 + b"  a\n", "as sha256sum writes"),
        (b"\\" + b"0" * 64 + b"  a\\x\n", "a backslash stands before"),
        (b"A" * 64 + b"  a\n", "line 1: expected"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_line(text: bytes, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        manifest.parse(text)


def sha256sum(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sha256sum", *arguments], cwd=folder, capture_output=True, check=False)


def test_coreutils_check_what_is_written_and_write_what_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for number, name in enumerate(HOSTILE):
        (folder / name).write_text(f"{number}\n", encoding="utf-8")
    digests = manifest.digests_of(folder)
    assert set(digests) == set(HOSTILE)
    text = manifest.dump(digests)
    written = sha256sum(folder, "--", *HOSTILE).stdout
    assert sorted(written.splitlines(keepends=True)) == sorted(text.splitlines(keepends=True))
    (folder / SUMS).write_bytes(text)
    done = sha256sum(folder, "--strict", "--check", SUMS)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "new\nline").write_text("other", encoding="utf-8")
    assert sha256sum(folder, "--check", SUMS).returncode == 1


@settings(max_examples=25)
@given(st.lists(PARTS.filter(lambda part: part != "-"), min_size=1, max_size=5, unique=True))
def test_coreutils_agree_on_any_names(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in names:
            (folder / name).write_bytes(os.fsencode(name))
        (folder.with_suffix(".sums")).write_bytes(manifest.dump(manifest.digests_of(folder)))
        done = sha256sum(folder, "--strict", "--status", "--check", str(folder.with_suffix(".sums")))
        folder.with_suffix(".sums").unlink()
        assert done.returncode == 0


def test_what_coreutils_would_read_from_elsewhere_cannot_be_sealed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "-").write_text("x", encoding="utf-8")
    assert list(manifest.digests_of(tmp_path)) == ["a/-"]
    (tmp_path / "-").write_text("x", encoding="utf-8")
    with pytest.raises(ManifestError, match="-: is a name by which sha256sum means its standard input"):
        manifest.digests_of(tmp_path)
    with pytest.raises(ManifestError, match="line 1: '-' is no path inside of a folder"):
        manifest.parse(f"{'0' * 64}  -\n".encode())


def test_what_has_no_content_cannot_be_sealed(tmp_path: Path) -> None:
    for make, what in (
        (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link"),
        (os.mkfifo, "no regular file"),
        (Path.mkdir, "an empty folder"),
    ):
        make(tmp_path / "x")
        with pytest.raises(ManifestError, match=f"x: is {what}"):
            manifest.digests_of(tmp_path)
        (tmp_path / "x").rmdir() if what == "an empty folder" else (tmp_path / "x").unlink()
