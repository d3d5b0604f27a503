"""Sensitive archives are encrypted."""

import pytest

from opsverify.probes import archives
from opsverify.rules import security


@pytest.mark.slow
@pytest.mark.requirement("SEC-KEY-02")
def test_sensitive_archives_are_encrypted(host, backups, fact, judge):
    """A name that ends in .gpg encrypts nothing; the packets of the file tell."""
    found = {folder: fact(archives.files_reachable, host, folder) for folder in backups.sensitive}
    packets = {folder: fact(archives.encryptions, host, each, backups.timeout_s) for folder, each in found.items()}
    judge(security.archives_encrypted(packets))
