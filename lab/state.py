"""What makes this lab this lab: its ssh keys, passwords and certificates, below lab/.state (never in git)."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab import pki
from lab.settings import LINKS, SERVER_NAME, STATE, ports

CA = STATE / "ca"
SECRETS = STATE / "secrets"
SSH = STATE / "ssh"
SECRET_NAMES = (
    "postgres_tokenswap",
    "postgres_ops_verify",
    "postgres_ops_managed",
    "postgres_backup",
    "postgres_replica",
    "redis_tokenswap",
    "redis_ops_verify",
    "redis_ops_managed",
    "redis_admin",
    "backup_passphrase",
)
CERTIFICATES = {
    "tokenswap": [SERVER_NAME],
    "postgres": ["postgres", "postgres-replica", "localhost", "127.0.0.1"],
    **{name: [server_name] for name, server_name in LINKS.items()},
}
RENEW_BELOW_DAYS = 45


def secret(name: str) -> str:
    """One of the passwords."""
    return (SECRETS / name).read_text()


def _ssh_key(path_name: str, comment: str) -> None:
    path = SSH / path_name
    if path.exists():
        return
    key = Ed25519PrivateKey.generate()
    pki.write_private(
        path,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ),
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_text(f"{public.decode()} {comment}\n")


def make() -> bool:
    """Make what is missing, renew what ends soon; True when anything changed that the containers must be given."""
    changed = False
    STATE.mkdir(mode=0o700, exist_ok=True)
    for name in SECRET_NAMES:
        if not (SECRETS / name).exists():
            pki.write_private(SECRETS / name, secrets.token_urlsafe(24).encode())
            changed = True
    _ssh_key("id_ed25519", "opsverify@lab")
    _ssh_key("host_ed25519", "node")
    host_key = (SSH / "host_ed25519.pub").read_text().rsplit(" ", 1)[0]
    known_hosts = f"[127.0.0.1]:{ports()['SSH']} {host_key}\n"
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
