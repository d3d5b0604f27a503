"""Fills the volumes: keys, passwords and certificates, each with its reader as owner. Nothing goes by environment."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile

from lab import images, logs, state
from lab.settings import LINKS, PROJECT, run

# User and group numbers, as the Dockerfiles set them.
ROOT, API, POSTGRES, REDIS, EXPORTER, NOBODY = 0, 2300, 2432, 2379, 909, 65534
SSL_CERT, BACKUP_READERS, ADM, COPIER = 2443, 2600, 4, 2700


# What the verifier's Redis user may do: docs/granting.md shows the same.
REDIS_VERIFIER = (
    "resetkeys resetchannels -@all +ping +info +dbsize +config|get +slowlog|get +latency|latest +acl|whoami +acl|list"
)
# A managed service has no CONFIG for anybody.
REDIS_MANAGED = REDIS_VERIFIER.replace(" +config|get", "")


@dataclasses.dataclass(frozen=True)
class Item:
    """A file (or, without content, a directory) in a volume."""

    volume: str
    path: str
    content: bytes | None
    mode: int
    uid: int = ROOT
    gid: int = ROOT
    mtime: int | None = None


def replaced(item: Item, content: bytes) -> Item:
    """The same file with other content."""
    return dataclasses.replace(item, content=content)


def put(items: list[Item], project: str = PROJECT) -> None:
    """Write the items into their volumes, through a container that has them all."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for item in items:
            entry = tarfile.TarInfo(f"{item.volume}/{item.path}".rstrip("/"))
            entry.type = tarfile.DIRTYPE if item.content is None else tarfile.REGTYPE
            entry.mode, entry.uid, entry.gid = item.mode, item.uid, item.gid
            entry.mtime = item.mtime if item.mtime is not None else logs.now()
            entry.size = len(item.content or b"")
            archive.addfile(entry, io.BytesIO(item.content or b""))
    volumes = sorted({item.volume for item in items})
    mounts = [part for volume in volumes for part in ("-v", f"{project}_{volume}:/v/{volume}")]
    run(
        [
            "docker",
            "run",
            "--rm",
            "-i",
            "--network",
            "none",
            *mounts,
            images.tag("base"),
            "tar",
            "-xpf",
            "-",
            "-C",
            "/v",
        ],
        stdin=buffer.getvalue(),
    )


def _acl() -> str:
    """Redis' users: nobody by default, a read-only verifier, the application without dangerous commands, the admin."""

    def digest(name: str) -> str:
        return hashlib.sha256(state.secret(name).encode()).hexdigest()

    return (
        "user default off resetkeys resetchannels -@all\n"
        f"user admin on #{digest('redis_admin')} ~* &* +@all\n"
        f"user ops_verify on #{digest('redis_ops_verify')} {REDIS_VERIFIER}\n"
        f"user ops_managed on #{digest('redis_ops_managed')} {REDIS_MANAGED}\n"
        f"user tokenswap on #{digest('redis_tokenswap')} ~ts:* resetchannels -@all +@all -@dangerous -@admin\n"
    )


def certificate() -> list[Item]:
    """What nginx serves, on the volumes that the node sees too."""
    return [
        Item("tls-certs", "tokenswap.crt", (state.CA / "tokenswap.crt").read_bytes(), 0o644),
        Item("tls-certs", "lab-root-ca.crt", (state.CA / "ca.crt").read_bytes(), 0o644),
        Item("tls-private", "", None, 0o750, ROOT, SSL_CERT),
        Item("tls-private", "tokenswap.key", (state.CA / "tokenswap.key").read_bytes(), 0o640, ROOT, SSL_CERT),
    ]


def link_certificate(name: str) -> list[Item]:
    """What the stand-in of a link serves."""
    return [
        Item("stand-in-tls", f"{name}.{kind}", (state.CA / f"{name}.{kind}").read_bytes(), 0o400, NOBODY, NOBODY)
        for kind in ("crt", "key")
    ]


def secrets() -> list[Item]:
    """All that the containers need to know."""

    def text(name: str) -> bytes:
        return state.secret(name).encode()

    root_ca = (state.CA / "ca.crt").read_bytes()

    def pgpass(*entries: tuple[str, str]) -> bytes:
        lines = (f"postgres:5432:{base}:{role}:{state.secret('postgres_' + role)}\n" for base, role in entries)
        return "".join(lines).encode()

    items = [
        *certificate(),
        Item("node-state", "", None, 0o711),
        Item("node-state", "ssh_host_ed25519_key", (state.SSH / "host_ed25519").read_bytes(), 0o600),
        Item("node-state", "ssh_host_ed25519_key.pub", (state.SSH / "host_ed25519.pub").read_bytes(), 0o644),
        Item("node-state", "authorized_keys", (state.SSH / "id_ed25519.pub").read_bytes(), 0o644),
        Item(
            "node-state",
            "pgpass",
            pgpass(("tokenswap", "tokenswap"), ("tokenswap", "backup"), ("replication", "backup")),
            0o600,
        ),
        Item("node-state", "backup_passphrase", text("backup_passphrase"), 0o600),
        Item("node-state", "copier_ed25519", (state.SSH / "copier_ed25519").read_bytes(), 0o600),
        Item("node-state", "offsite_known_hosts", f"offsite {state.host_key('offsite_ed25519')}\n".encode(), 0o644),
        Item("offsite-state", "", None, 0o711),
        Item("offsite-state", "ssh_host_ed25519_key", (state.SSH / "offsite_ed25519").read_bytes(), 0o600),
        Item("offsite-state", "opsverify.keys", (state.SSH / "id_ed25519.pub").read_bytes(), 0o644),
        Item("offsite-state", "copier.keys", (state.SSH / "copier_ed25519.pub").read_bytes(), 0o644),
        Item("api-secrets", "", None, 0o500, API, API),
        Item("api-secrets", "ca.crt", root_ca, 0o400, API, API),
        *(Item("api-secrets", name, text(name), 0o400, API, API) for name in ("postgres_tokenswap", "redis_tokenswap")),
        Item("pg-secrets", "", None, 0o500, POSTGRES, POSTGRES),
        Item("pg-secrets", "server.crt", (state.CA / "postgres.crt").read_bytes(), 0o400, POSTGRES, POSTGRES),
        Item("pg-secrets", "server.key", (state.CA / "postgres.key").read_bytes(), 0o400, POSTGRES, POSTGRES),
        Item("pg-secrets", "ca.crt", root_ca, 0o400, POSTGRES, POSTGRES),
        Item("pg-secrets", "replica.pgpass", pgpass(("replication", "replica")), 0o400, POSTGRES, POSTGRES),
        Item("exporter-secrets", "", None, 0o500, EXPORTER, EXPORTER),
        Item("exporter-secrets", "ca.crt", root_ca, 0o400, EXPORTER, EXPORTER),
        Item("exporter-secrets", "password", text("postgres_metrics"), 0o400, EXPORTER, EXPORTER),
        Item("redis-etc", "users.acl", _acl().encode(), 0o600, REDIS, REDIS),
        Item("stand-in-tls", "", None, 0o500, NOBODY, NOBODY),
        Item("stand-in-tls", "grafana_viewer", text("grafana_viewer"), 0o400, NOBODY, NOBODY),
        *(item for name in LINKS for item in link_certificate(name)),
    ]
    for role in ("tokenswap", "ops_verify", "ops_managed", "backup", "replica", "metrics"):
        items.append(Item("pg-secrets", role, text(f"postgres_{role}"), 0o400, POSTGRES, POSTGRES))
    return items


def folders() -> list[Item]:
    """The backup folders: root writes, the verifier's group reads; PostgreSQL writes its archive; and the copies."""
    return [
        Item("backup", "", None, 0o2750, ROOT, BACKUP_READERS),
        *(
            Item("backup", name, None, 0o2750, ROOT, BACKUP_READERS)
            for name in ("database", "base", "config", "secure")
        ),
        Item("backup", "wal", None, 0o2750, POSTGRES, BACKUP_READERS),
        *(Item("copies", name, None, 0o2750, COPIER, BACKUP_READERS) for name in ("", "database", "secure")),
        Item("app-logs", "", None, 0o2750, API, ADM),
        Item("redis-etc", "", None, 0o755, REDIS, REDIS),
    ]


def past_logs(days: list[str], files: set[str]) -> list[Item]:
    """The application's rotated logs of these days, beside the files that are there."""
    items = []
    for day in days:
        content, mtime = logs.of_day(day)
        name = f"app.log-{day.replace('-', '')}.gz"
        name = name.replace("app", "past") if name in files else name
        items.append(Item("app-logs", name, content, 0o640, API, ADM, mtime))
    return items
