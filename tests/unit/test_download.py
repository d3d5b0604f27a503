"""Downloads over the shell channel: whole files, nothing longer than announced, no content in the transcript."""

from __future__ import annotations

import hashlib
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsverify.channels.base import LONGEST_ANSWER
from opsverify.channels.guard import NotAllowedError, admit
from opsverify.channels.shell import Host
from opsverify.errors import RefusedError, UnansweredError

Exchanges = Callable[[], list[dict[str, Any]]]


def test_a_file_longer_than_any_answer_arrives_with_its_digest(
    local: Host, tmp_path: Path, exchanges: Exchanges
) -> None:
    content = bytes(range(256)) * (LONGEST_ANSWER // 256 + 1)
    (tmp_path / "there").write_bytes(content)
    digest = local.channel.download(f"cat -- {tmp_path}/there", tmp_path / "here", len(content), 10)
    assert (tmp_path / "here").read_bytes() == content
    assert digest == hashlib.sha256(content).hexdigest()
    assert exchanges()[0]["answer"] == {"bytes": len(content), "sha256": digest}


def test_a_folder_arrives_as_an_archive(local: Host, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a file").write_text("found", encoding="utf-8")
    local.channel.download(f"tar -C {tmp_path}/there -cf - .", tmp_path / "here", 1_000_000, 10)
    with tarfile.open(tmp_path / "here") as archive:
        assert archive.getnames() == [".", "./a file"]


@pytest.mark.parametrize(
    ("question", "most", "timeout_s", "why"),
    [
        ("cat -- /no/such", 10, 10, "No such file"),
        ("cat -- /dev/zero", 1_000_000, 10, "more than the 1000000 bytes"),
        ("cat -- /etc/passwd", 3, 10, "more than the 3 bytes"),
        ("tail -c 5 -- /proc/kmsg", 10, 0.5, "no answer within|ended with status"),
    ],
)
def test_what_does_not_arrive_as_announced_is_an_error_and_leaves_no_file(
    question: str, most: int, timeout_s: float, why: str, local: Host, tmp_path: Path
) -> None:
    begun = time.monotonic()
    with pytest.raises(UnansweredError, match=why):
        local.channel.download(question, tmp_path / "here", most, timeout_s)
    assert not (tmp_path / "here").exists()
    assert time.monotonic() - begun < 5


def test_a_download_is_guarded_as_any_question_is(local: Host, tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        local.channel.download("dd if=/etc/passwd", tmp_path / "here", 1000, 5)
    assert not (tmp_path / "here").exists()


def test_an_answer_after_a_download_is_read_as_ever(local: Host, tmp_path: Path) -> None:
    local.channel.download("cat -- /etc/hostname", tmp_path / "here", 1000, 5)
    assert local.channel.ask("cat -- /etc/hostname")[1] == (tmp_path / "here").read_bytes()


@pytest.mark.parametrize("question", ["tar -C /backup/base/base_20261123_020000 -cf - .", "tar -C '/a b' -cf - ."])
def test_a_folder_may_be_read_as_an_archive(question: str) -> None:
    assert admit(question) == question


@pytest.mark.parametrize(
    "question",
    [
        "tar -C /x -cf /y .",
        "tar -C /x -xf - .",
        "tar -C /x -cf - . --checkpoint-action=exec=sh",
        "tar -C /x -cf - -I sh .",
        "tar -C /x -cf - . -C /y .",
        "tar -C x -cf - .",
        "tar -C /x -cf - /etc",
        "tar -C /x -cf -  --to-command=sh .",
        "tar -C --use-compress-program=sh -cf - .",
        "tar -cf - .",
        "tar -C /x -czf - .",
        "tar --rsh-command=sh -C /x -cf - .",
        "tar -C /x -cf host:/y .",
        "tar -C /x --remove-files -cf - .",
    ],
)
def test_tar_may_be_asked_nothing_else(question: str) -> None:
    with pytest.raises(NotAllowedError):
        admit(question)
