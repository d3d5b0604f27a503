"""Certificates as they lie on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes.certificates import deployed, on_disk

CAPTURED = Path(__file__).with_name("captured")


def test_a_real_certificate(local: Host) -> None:
    found = on_disk(local, str(CAPTURED / "tokenswap.crt"))
    assert found.subject
    assert found.not_before < found.not_after
    assert len(found.sha256) == 64


def test_the_first_certificate_of_a_chain_is_the_leaf(local: Host, tmp_path: Path, authority: Any) -> None:
    leaf = authority.issue("api.example").read_text(encoding="utf-8")
    (tmp_path / "chain.pem").write_text(leaf + Path(authority.ca).read_text(encoding="utf-8"), encoding="utf-8")
    assert on_disk(local, str(tmp_path / "chain.pem")).subject == "CN=api.example"


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_is_an_error(local: Host, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.crt").write_text(text, encoding="utf-8")
    with pytest.raises(UnansweredError, match="holds no certificate"):
        on_disk(local, str(tmp_path / "x.crt"))


def test_a_file_that_is_not_there_is_an_error(local: Host) -> None:
    with pytest.raises(UnansweredError, match="No such file or directory"):
        on_disk(local, "/no/such.crt")


def test_a_certificate_that_is_not_there_is_a_fact(local: Host) -> None:
    assert deployed(local, "/no/such.crt") is None
    assert deployed(local, str(CAPTURED / "tokenswap.crt")) == on_disk(local, str(CAPTURED / "tokenswap.crt"))
