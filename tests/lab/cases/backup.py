"""Cases of the backup store and its copy off site: dumps, days, encryption."""

from __future__ import annotations

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss

PUBLIC_KEY_ARCHIVE = """
    export GNUPGHOME=$(mktemp -d)
    gpg --batch --quiet --passphrase '' --quick-gen-key near-miss@lab rsa2048 encr never
    echo secret | gpg --batch --quiet --trust-model always --armor --encrypt -r near-miss@lab > $new
    rm -rf $GNUPGHOME
"""
SECRET_KEY_BEHIND = """
    export GNUPGHOME=$(mktemp -d)
    gpg --batch --quiet --passphrase '' --quick-gen-key fault@lab rsa2048 encr never
    { echo secret | gpg --batch --quiet --trust-model always --encrypt -r fault@lab
      gpg --batch --quiet --export-secret-keys fault@lab; } > $new
    rm -rf $GNUPGHOME
"""

# The copy is as it was written, and so no longer as the store has it.
COPY_DIFFERS = {"BP-BAK-01-nightly": "fail", "BP-BAK-04-nightly": "fail"}

FAULTS = [
    Fault(
        "newest dump truncated",
        lambda: faults.newest_dump_replaced('head -c $(( $(stat -c %s "$old") * 3 / 4 )) "$old" > "$new"'),
        {"BAK-INTEG-01-nightly": "fail"},
        COPY_DIFFERS,
        lane="backups",
    ),
    Fault(
        "newest dump cut and compressed again",
        lambda: faults.newest_dump_replaced(
            'zcat "$old" | head -c $(( $(zcat "$old" | wc -c) * 3 / 4 )) | gzip > "$new"'
        ),
        {"BAK-INTEG-01-nightly": "fail"},
        COPY_DIFFERS,
        lane="backups",
    ),
    Fault(
        "newest dump is the gzip of an empty pipe",
        lambda: faults.newest_dump_replaced('printf "" | gzip > "$new"'),
        {"BAK-INTEG-01-nightly": "fail", "BAK-LATEST-01-nightly": "fail"},
        COPY_DIFFERS,
        lane="backups",
    ),
    Fault(
        "plain text named .gpg",
        lambda: faults.stored_file("/backup/secure/keypairs_20260101_000000.tar.gz.gpg", "echo 'not encrypted' > $new"),
        {"SEC-KEY-02-nightly": "fail", "BP-BAK-03-nightly": "fail"},
        lane="sealed",
    ),
    Fault(
        "plain archive in a folder below",
        lambda: faults.on_node(
            "mkdir -p -m 2750 /backup/secure/2025 && echo plain > /backup/secure/2025/keypairs.tar.gz"
            " && chgrp -R --reference=/backup /backup/secure/2025 && chmod 0640 /backup/secure/2025/keypairs.tar.gz",
            "rm -rf /backup/secure/2025",
        ),
        {"SEC-KEY-02-nightly": "fail", "BP-BAK-03-nightly": "fail"},
        lane="sealed",
    ),
    Fault(
        "plain archive behind a link",
        lambda: faults.on_node(
            "mkdir -m 0755 /srv/data/old && echo plain > /srv/data/old/keypairs.tar.gz"
            " && chmod 0644 /srv/data/old/keypairs.tar.gz && ln -s /srv/data/old /backup/secure/2025",
            "rm -rf /backup/secure/2025 /srv/data/old",
        ),
        {"SEC-KEY-02-nightly": "fail", "BP-BAK-03-nightly": "fail"},
        lane="sealed",
    ),
    Fault(
        "encrypted archive truncated",
        lambda: faults.stored_file(
            "/backup/secure/keypairs_20260102_000000.tar.gz.gpg",
            "set -- /backup/secure/*.gpg; head -c $(( $(stat -c %s $1) / 2 )) $1 > $new",
        ),
        {"SEC-KEY-02-nightly": "fail", "BP-BAK-03-nightly": "fail"},
        lane="sealed",
    ),
    Fault(
        "newest dump in the own format cut, and in the manifest as it is",
        lambda: faults.dump_added(".dump", 'head -c $(( $(stat -c %s "$old") * 3 / 4 )) "$old" > "$new"'),
        {"BAK-INTEG-01-nightly": "fail"},
        lane="backups",
    ),
    Fault(
        "base backup damaged",
        faults.base_backup_damaged,
        {"BAK-INTEG-01-nightly": "fail"},
        {"CHG-RB-PITR-03-nightly": "fail"},
        lane="base",
    ),
    Fault(
        "a day without a dump",
        lambda: faults.day_removed(40),
        {"CAP-STO-04-nightly": "fail"},
        lane="backups",
    ),
    Fault(
        "a day whose dump was altered behind its times",
        lambda: faults.day_altered(89),
        {"CAP-STO-04-nightly": "fail"},
        lane="backups",
    ),
    Fault(
        "copies off site end 27 hours ago",
        lambda: faults.offsite_behind(27),
        {"BP-BAK-04-nightly": "fail"},
        {"BP-BAK-01-nightly": "fail"},  # between the second and the fourth hour after a dump
        lane="copies",
    ),
    Fault(
        "a copy off site was altered",
        lambda: faults.offsite("printf x >> database/$(ls database | grep sql.gz | tail -1)"),
        COPY_DIFFERS,
        lane="copies",
    ),
    Fault(
        "the folder off site is empty",
        lambda: faults.offsite("rm database/*"),
        COPY_DIFFERS,
        lane="copies",
    ),
    Fault(
        "plain archive off site",
        lambda: faults.offsite("echo plain | install -m 0644 /dev/stdin secure/keypairs.tar.gz"),
        {"BP-BAK-03-nightly": "fail"},
        lane="copies",
    ),
    Fault(
        "private key beside the encrypted archives off site",
        lambda: faults.offsite("ssh-keygen -q -t ed25519 -N '' -f secure/key && chmod 0644 secure/key"),
        {"BP-BAK-03-nightly": "fail"},
        lane="copies",
    ),
    Fault(
        "secret key behind an encrypted archive",
        lambda: faults.stored_file("/backup/secure/keypairs_20260104_000000.tar.gz.gpg", SECRET_KEY_BEHIND),
        {"SEC-KEY-02-nightly": "fail", "BP-BAK-03-nightly": "fail"},
        lane="sealed",
    ),
    Fault(
        "pass phrase, itself encrypted, beside the archives",
        lambda: faults.stored_file("/backup/secure/passphrase.gpg", PUBLIC_KEY_ARCHIVE),
        {"BP-BAK-03-nightly": "fail"},
        lane="sealed",
    ),
    Fault(
        "the machine off site does not answer",
        lambda: faults.stopped("offsite"),
        {"BP-BAK-01-nightly": "error", "BP-BAK-03-nightly": "error", "BP-BAK-04-nightly": "error"},
        lane="copies",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "an armoured, public-key encrypted archive",
        lambda: faults.stored_file("/backup/secure/keypairs_20260103_000000.tar.gz.gpg", PUBLIC_KEY_ARCHIVE),
        ("SEC-KEY-02", "BP-BAK-03"),
        lane="sealed",
    ),
    NearMiss(
        "a foreign file among the dumps",
        lambda: faults.stored_file("/backup/database/NOTES.txt", "echo hello > $new"),
        ("BAK", "CAP-STO-04"),
        lane="backups",
    ),
    NearMiss(
        "two dumps on one day",
        lambda: faults.dump_added(".sql.gz", days_ago=17),
        ("CAP-STO-04", "BAK", "BP-BAK"),
        lane="backups",
    ),
    NearMiss(
        "a dump that has not been copied yet",
        lambda: faults.dump_added(".sql.gz"),
        ("BP-BAK-01", "BP-BAK-04", "BAK"),
        lane="backups",
    ),
    NearMiss(
        "archives off site in folders of their years",
        lambda: faults.offsite("mkdir secure/2025 && cp -a secure/*.gpg secure/2025/"),
        ("BP-BAK-03",),
        lane="copies",
    ),
]
