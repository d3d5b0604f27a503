"""API keys: those in the database, and an inventory that is signed, or seems to be."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator

from lab import engine
from lab.faults.database import sql
from lab.faults.documents import DOCUMENTS

INVENTORY, SIGNERS = DOCUMENTS / "keys.toml", DOCUMENTS / "key_signers"
INSERT = """
INSERT INTO swap.api_keys (owner, key_sha256, created_at, revoked_at) VALUES ('{name}', '{name}', {created}, {revoked})
"""
# A key of a moment, which signs what comes in and is gone.
SIGN = """
    d=$(mktemp -d)
    ssh-keygen -q -t ed25519 -N '' -C '' -f $d/key
    ssh-keygen -q -Y sign -f $d/key -n opsverify-keys
    cat $d/key.pub
    rm -r $d
"""


@contextlib.contextmanager
def api_key(created: str, revoked: str = "NULL") -> Iterator[None]:
    """There is one more API key; its times are expressions of SQL, or NULL."""
    name = f"fault-{secrets.token_hex(4)}"
    if created == "NULL":
        sql("ALTER TABLE swap.api_keys ALTER created_at DROP NOT NULL")
    try:
        sql(INSERT.format(name=name, created=created, revoked=revoked))
        yield
    finally:
        sql(f"DELETE FROM swap.api_keys WHERE owner = '{name}'")  # noqa: S608  a name made here
        if created == "NULL":
            sql("ALTER TABLE swap.api_keys ALTER created_at SET NOT NULL")


@contextlib.contextmanager
def key_inventory(text: str, afterwards: Callable[[str], str] = lambda text: text) -> Iterator[None]:
    """An inventory of keys is signed by the real ssh-keygen; ``afterwards`` it may be changed."""
    signature = INVENTORY.with_name(f"{INVENTORY.name}.sig")
    armored, end, public = engine.inside("node", "sh", "-c", SIGN, stdin=text.encode()).partition(
        "-----END SSH SIGNATURE-----\n"
    )
    try:
        INVENTORY.write_text(afterwards(text), encoding="utf-8")
        signature.write_text(armored + end, encoding="utf-8")
        SIGNERS.write_text(f'aylin.demir@tokenswap.io namespaces="opsverify-keys" {public}', encoding="utf-8")
        yield
    finally:
        for file in (INVENTORY, signature, SIGNERS):
            file.unlink(missing_ok=True)
