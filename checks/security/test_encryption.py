"""Sensitive archives are encrypted."""

import pytest

from opsverify.probes import archives
from opsverify.rules import security


@pytest.mark.slow
@pytest.mark.requirement("SEC-KEY-02")
def test_sensitive_archives_are_encrypted(host, backups, fact, judge):
    """A name that ends in .gpg encrypts nothing; the packets of the file tell."""
    found = {folder: fact(archives.files_below, host, folder) for folder in backups.sensitive}
    judge(
        security.archives_encrypted(
            {
                folder: [fact(archives.encryption, host, file, backups.timeout_s) for file in stored]
                for folder, stored in found.items()
            }
        )
    )
