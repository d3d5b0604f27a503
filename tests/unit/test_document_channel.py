"""The document channel: three files and the digests of artefacts, each read written down, nothing else opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from opsverify.channels import document
from opsverify.channels.document import DocumentChannel
from opsverify.documents import Documents, replace
from opsverify.errors import RefusedError, UnansweredError, UsageError
from opsverify.probes import documents as probes
from opsverify.transcript import Transcript
from tests.unit.test_attestations import ENTRY

Exchanges = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "project" / "profiles" / "test"
    (found / "evidence").mkdir(parents=True)
    (found / "evidence" / "call.txt").write_bytes(b"answered\n")
    return found


@pytest.fixture
def program(folder: Path, transcript: Transcript) -> DocumentChannel:
    names = ("roster", "attestations", "baseline", "accepted", "drills", "waivers")
    roster, attestations, baseline, accepted, drills, waivers = (folder / f"{name}.toml" for name in names)
    files = (roster, attestations, baseline, accepted, drills, waivers)
    keys = {"keys.toml": folder / "keys.toml"}
    folders = (folder / "changes", folder / "incidents")
    manual = folder / "manual.md"
    documents = Documents(folder.parents[1], *files, *folders, manual=manual, keys=keys)
    return DocumentChannel("program", documents, transcript)


def test_a_document_is_read_with_its_digest(program: DocumentChannel, folder: Path, exchanges: Exchanges) -> None:
    (folder / "roster.toml").write_text("by = 'a'\n", encoding="utf-8")
    assert program.text("roster") == "by = 'a'\n"
    (exchange,) = exchanges()
    assert exchange["channel"] == "document"
    assert exchange["target"] == "program"
    assert exchange["question"] == {"read": "profiles/test/roster.toml"}
    assert exchange["answer"] == {"sha256": hashlib.sha256(b"by = 'a'\n").hexdigest(), "text": "by = 'a'\n"}


def test_no_document_is_an_answer(program: DocumentChannel, exchanges: Exchanges) -> None:
    assert program.text("baseline") is None
    assert exchanges()[0]["failure"] is None
    assert exchanges()[0]["answer"] == {"sha256": None, "text": None}
    assert probes.roster(program) is None
    assert probes.baseline(program) is None
    assert probes.attestation(program, "CON-PHONE-01", "program") is None


def test_an_artefact_is_told_by_its_digest_alone(program: DocumentChannel, exchanges: Exchanges) -> None:
    digest = hashlib.sha256(b"answered\n").hexdigest()
    assert program.digest("evidence/call.txt") == digest
    assert program.digest("evidence/none.txt") is None
    assert [each["answer"] for each in exchanges()] == [{"sha256": digest}, {"sha256": None}]


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "evidence/../../other", ".", ""])
def test_nothing_outside_the_folder_is_opened(program: DocumentChannel, exchanges: Exchanges, path: str) -> None:
    with pytest.raises(RefusedError, match="does not lie inside the folder"):
        program.digest(path)
    assert "refused" in exchanges()[0]["failure"]


def test_the_text_of_an_artefact_is_read_in_the_same_bounds(program: DocumentChannel, exchanges: Exchanges) -> None:
    assert program.artefact("evidence/call.txt") == "answered\n"
    assert program.artefact("evidence/none.txt") is None
    with pytest.raises(RefusedError, match="does not lie inside the folder"):
        program.artefact("../../../etc/passwd")
    assert exchanges()[0]["question"] == {"read": "evidence/call.txt"}


def test_of_keystores_only_the_files_that_the_profile_names_are_read(program: DocumentChannel, folder: Path) -> None:
    assert program.keys("keys.toml") is None
    (folder / "keys.toml").write_text("[[key]]\n", encoding="utf-8")
    (folder / "other.toml").write_text("secret", encoding="utf-8")
    assert program.keys("keys.toml") == "[[key]]\n"
    for other in ("other.toml", "../test/keys.toml", str(folder / "keys.toml")):
        with pytest.raises(RefusedError, match="names no such file"):
            program.keys(other)


def test_a_link_that_leads_outside_is_not_followed(program: DocumentChannel, folder: Path) -> None:
    (folder / "evidence" / "link").symlink_to("/etc/passwd")
    with pytest.raises(RefusedError, match="does not lie inside the folder"):
        program.digest("evidence/link")


def test_what_cannot_be_read_is_no_answer(
    program: DocumentChannel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnansweredError, match="evidence: cannot be read: it is no regular file"):
        program.digest("evidence")
    (folder / "roster.toml").write_bytes(b"\xff")
    with pytest.raises(UnansweredError, match=r"profiles/test/roster\.toml: cannot be read: it is no UTF-8"):
        program.text("roster")
    monkeypatch.setattr(document, "LONGEST_ANSWER", 8)
    with pytest.raises(UnansweredError, match=r"evidence/call\.txt: is longer than 8 bytes"):
        program.digest("evidence/call.txt")


def test_an_attestation_comes_with_the_digest_of_its_artefact_now(program: DocumentChannel, folder: Path) -> None:
    (folder / "attestations.toml").write_text(ENTRY, encoding="utf-8")
    found = probes.attestation(program, "CON-PHONE-01", "program")
    assert found is not None
    assert found.entry.date == date(2026, 11, 1)
    assert found.digest == hashlib.sha256(b"answered\n").hexdigest()
    (folder / "evidence" / "call.txt").unlink()
    gone = probes.attestation(program, "CON-PHONE-01", "program")
    assert gone is not None
    assert gone.digest is None


def test_a_file_is_replaced_whole_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text("old", encoding="utf-8")
    real.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(real)
    replace(link, "new")
    assert real.read_text(encoding="utf-8") == "new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.toml", "real.toml"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.toml: cannot be written in none/: No such file"):
        replace(tmp_path / "none" / "x.toml", "new")
    (tmp_path / "x.toml").mkdir()
    with pytest.raises(UsageError, match="Is a directory"):
        replace(tmp_path / "x.toml", "new")
    assert [each.name for each in tmp_path.iterdir()] == ["x.toml"]


def test_records_of_a_folder_are_read_one_by_one(program: DocumentChannel, folder: Path, exchanges: Exchanges) -> None:
    assert program.records("changes") == {}
    (folder / "changes").mkdir()
    (folder / "changes" / "CHG-2.toml").write_text("b", encoding="utf-8")
    (folder / "changes" / "CHG-1.toml").write_text("a", encoding="utf-8")
    (folder / "changes" / "notes.txt").write_text("c", encoding="utf-8")
    expected = {"profiles/test/changes/CHG-1.toml": "a", "profiles/test/changes/CHG-2.toml": "b"}
    assert program.records("changes") == expected
    assert [each["question"] for each in exchanges()[1:]] == [
        {"list": "profiles/test/changes"},
        {"read": "profiles/test/changes/CHG-1.toml"},
        {"read": "profiles/test/changes/CHG-2.toml"},
    ]


@pytest.mark.parametrize("name", ["2026/", "CHG-1.TOML", "CHG-1.toml/"])
def test_records_that_would_be_passed_over_are_refused(program: DocumentChannel, folder: Path, name: str) -> None:
    path = folder / "changes" / name
    if name.endswith("/"):
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        path.write_text("")
    with pytest.raises(UnansweredError, match=f"{path.name}: expected records as files <id>.toml, no folders"):
        program.records("changes")


def test_a_folder_of_records_that_is_none_is_no_empty_one(program: DocumentChannel, folder: Path) -> None:
    (folder / "incidents").write_text("", encoding="utf-8")
    with pytest.raises(UnansweredError, match="profiles/test/incidents: cannot be read"):
        program.records("incidents")


def test_manuals_are_read_beside_the_manual_alone(program: DocumentChannel, folder: Path) -> None:
    assert program.manual() is None
    (folder / "manual.md").write_text("[x](./other.md)", encoding="utf-8")
    (folder / "other.md").write_text("other", encoding="utf-8")
    assert program.manual() == "[x](./other.md)"
    assert program.manual("./other.md") == "other"
    assert program.manual("gone.md") is None
    with pytest.raises(RefusedError, match="does not lie beside the manual"):
        program.manual("../../secret.md")
