"""Facts about API keys: since when each is in use, by a view of a database or by a signed inventory; never the keys."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from opsverify.attestations import parsed, plausible
from opsverify.catalogue import Strict, Text
from opsverify.channels.document import DocumentChannel
from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import UnansweredError, UsageError
from opsverify.probes import about
from opsverify.sshsig import SignatureError, Signer, SignersError, parse_signers, signers_of

NAMESPACE = "opsverify-keys"
# A view of the DBA's (docs/granting.md). A date without end is no date: it would compare with everything. Nor is one
# before 2000: programs write such zeros (0001-01-01, 1970-01-01) for none.
KEYS = Query("""
SELECT k.id::text AS id, k.owner::text AS owner,
       CASE WHEN isfinite(k.created_at) AND k.created_at >= '2000-01-01' THEN k.created_at END AS created,
       CASE WHEN isfinite(k.revoked_at) AND k.revoked_at >= '2000-01-01' THEN k.revoked_at END AS revoked
  FROM ops.api_keys k
 ORDER BY k.id
""")

Moment = dt.datetime | dt.date | None


@dataclass(frozen=True)
class ApiKey:
    """A key by its name, not its value. A moment is a day where no more is on record, None where nothing is."""

    id: str
    owner: str
    created: Moment
    revoked: Moment

    def __str__(self) -> str:
        return f"{self.id} of {self.owner}"


@dataclass(frozen=True)
class KeysOnRecord:
    """All keys of a store, and where that is on record.

    ``signers`` are the lines of allowed signers that an inventory is signed by, None where there is nothing to sign;
    ``problem`` says why the inventory counts for nothing: then the keys were not even read.
    """

    source: str
    keys: tuple[ApiKey, ...]
    signers: tuple[Signer, ...] | None = None
    problem: str = ""


def of_database(database: SqlChannel) -> KeysOnRecord:
    """The keys in the view ``ops.api_keys``."""
    with about(f"database {database.target}: ops.api_keys"):
        return KeysOnRecord("the view ops.api_keys", parse_rows(database.ask(KEYS)))


def parse_rows(rows: list[dict[str, Any]]) -> tuple[ApiKey, ...]:
    """The rows of `KEYS`.

    Raises:
        UnansweredError: a time without time zone, or none at all: an age cannot be told from it.
    """
    for row in rows:
        for column in ("created", "revoked"):
            moment = row[column]
            if moment is not None and not (isinstance(moment, dt.datetime) and moment.tzinfo):
                raise UnansweredError(f"{column}_at of key {row['id']}: expected a timestamp with time zone")
    return tuple(ApiKey(str(row["id"]), row["owner"] or "nobody", row["created"], row["revoked"]) for row in rows)


def of_inventory(program: DocumentChannel, inventory: str, signature: str, signers: str) -> KeysOnRecord:
    """The keys in an inventory that people keep, when it is signed by one who may; the names are the profile's.

    Raises:
        UnansweredError: there is no file of allowed signers, or it or the inventory is not understood.
    """
    text = program.keys(inventory)
    if text is None:
        return KeysOnRecord(inventory, (), (), "there is no such file")
    allowed, armored = program.keys(signers), program.keys(signature)
    if allowed is None:
        raise UnansweredError(f"{signers}: no such file")
    try:
        if armored is None:
            raise SignatureError(f"it is not signed: there is no {signature}")
        signed_by = signers_of(text.encode(), armored, parse_signers(allowed), NAMESPACE)
    except SignersError as error:
        raise UnansweredError(f"{signers}: {error}") from None
    except SignatureError as error:
        return KeysOnRecord(inventory, (), (), str(error))
    return KeysOnRecord(inventory, parse_inventory(text, inventory), signed_by)


def _with_an_offset(value: Moment) -> Moment:
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        raise ValueError("expected a time with its offset, such as 2026-11-23T12:00:00Z, or a day")
    return plausible(value) if value is not None else None


When = Annotated[dt.datetime | dt.date | None, AfterValidator(_with_an_offset)]


class _Entry(Strict):
    id: Text
    owner: Text
    created: When = None
    revoked: When = None


class _Inventory(Strict):
    key: list[_Entry] = Field(default_factory=list)


def parse_inventory(text: str, file: str) -> tuple[ApiKey, ...]:
    """The entries of an inventory: ``[[key]]`` with ``id``, ``owner``, ``created`` and, when it is so, ``revoked``.

    Raises:
        UnansweredError: file and key of what is not as it must be.
    """
    try:
        entries = parsed(_Inventory, text, file).key
    except UsageError as error:
        raise UnansweredError(str(error)) from None
    return tuple(ApiKey(each.id, each.owner, each.created, each.revoked) for each in entries)
