"""Sensitive archives are encrypted."""

import pytest

from opsverify.probes import archives
from opsverify.rules import security


@pytest.mark.slow
@pytest.mark.requirement("SEC-KEY-02")
def test_sensitive_archives_are_encrypted(host, backups, fact, judge):
    """A name that ends in .gpg encrypts nothing; the packets of the file tell."""
    found = [file for folder in backups.sensitive for file in fact(archives.files, host, folder)]
    judge(security.archives_encrypted([fact(archives.encryption, host, file) for file in found]))
