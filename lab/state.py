"""What makes this lab this lab: its ssh keys, passwords and certificates, below lab/.state (never in git)."""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab import pki
from lab.settings import LINKS, SERVER_NAME, STATE, ports

CA = STATE / "ca"
SECRETS = STATE / "secrets"
SSH = STATE / "ssh"
EVIDENCE = STATE / "evidence"
SECRET_NAMES = (
    "postgres_tokenswap",
    "postgres_ops_verify",
    "postgres_ops_managed",
    "postgres_backup",
    "postgres_replica",
    "postgres_metrics",
    "redis_tokenswap",
    "redis_ops_verify",
    "redis_ops_managed",
    "redis_admin",
    "grafana_viewer",
    "backup_passphrase",
)
CERTIFICATES = {
    "tokenswap": [SERVER_NAME],
    "postgres": ["postgres", "postgres-replica", "localhost", "127.0.0.1"],
    **{name: [server_name] for name, server_name in LINKS.items()},
}
# The verifier's, the backup job's for its copies off site, and those of the two hosts that are reached over ssh.
SSH_KEYS = {
    "id_ed25519": "opsverify@lab",
    "copier_ed25519": "copier@lab",
    "host_ed25519": "node",
    "offsite_ed25519": "offsite",
}
# Who signs runs, and who signs them off: file of the key, principal, namespace.
SIGNERS = (
    ("runner_ed25519", "opsverify@lab", "opsverify"),
    ("reviewer_ed25519", "mara.lindqvist@tokenswap.io", "opsverify-signoff"),
)
RENEW_BELOW_DAYS = 45


def secret(name: str) -> str:
    """One of the passwords."""
    return (SECRETS / name).read_text()


def _ssh_key(path: Path, comment: str) -> bool:
    """Make a key pair unless it is there; True when it was made."""
    if path.exists():
        return False
    key = Ed25519PrivateKey.generate()
    pki.write_private(
        path,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ),
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_text(f"{public.decode()} {comment}\n")
    return True


def host_key(name: str) -> str:
    """The public host key of the node or of the machine off site, without a comment."""
    return (SSH / f"{name}.pub").read_text().rsplit(" ", 1)[0]


def make_signers() -> None:
    """The keys that sign runs and reviews, and the file of allowed signers. No container is given any of it."""
    lines = []
    for name, principal, namespace in SIGNERS:
        _ssh_key(EVIDENCE / name, principal)
        public = (EVIDENCE / f"{name}.pub").read_text().strip()
        lines.append(f'{principal} namespaces="{namespace}" {public}\n')
    allowed = EVIDENCE / "allowed_signers"
    if not allowed.exists() or allowed.read_text() != "".join(lines):
        allowed.write_text("".join(lines))


def make() -> bool:
    """Make what is missing, renew what ends soon; True when anything changed that the containers must be given."""
    changed = False
    STATE.mkdir(mode=0o700, exist_ok=True)
    for name in SECRET_NAMES:
        if not (SECRETS / name).exists():
            pki.write_private(SECRETS / name, secrets.token_urlsafe(24).encode())
            changed = True
    for name, comment in SSH_KEYS.items():
        changed |= _ssh_key(SSH / name, comment)
    make_signers()
    known_hosts = (
        f"[127.0.0.1]:{ports()['SSH']} {host_key('host_ed25519')}\n"
        f"[127.0.0.1]:{ports()['OFFSITE']} {host_key('offsite_ed25519')}\n"
    )
    if not (SSH / "known_hosts").exists() or (SSH / "known_hosts").read_text() != known_hosts:
        (SSH / "known_hosts").write_text(known_hosts)
    pki.make_authorities(CA)
    for name, names in CERTIFICATES.items():
        if pki.days_left(CA / f"{name}.crt") < RENEW_BELOW_DAYS:
            certificate, key = pki.issue(pki.load_issuer(CA), names, days=90)
            (CA / f"{name}.crt").write_bytes(certificate)
            pki.write_private(CA / f"{name}.key", key)
            changed = True
    return changed
