"""Changes: their records, and the image that a rollback needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from lab import changes, images
from lab.faults.documents import document
from lab.settings import STATE, run

DEPLOY = "/opt/tokenswap/scripts/deploy.sh"
ROLLBACK = "/opt/tokenswap/scripts/rollback.sh"
KEPT = "opsverify-lab-kept:previous"


def record(number: int, *edits: tuple[str, str]) -> contextlib.AbstractContextManager[None]:
    """A change record of the lab says something else."""

    def changed(text: str) -> str:
        for old, new in edits:
            if old not in text:
                raise ValueError(f"change record {number} does not contain {old!r}")
            text = text.replace(old, new)
        return text

    return document(f"changes/CHG-LAB-{number:04}.toml", changed)


@contextlib.contextmanager
def previous_image_gone() -> Iterator[None]:
    """A clean-up has pruned what the API would go back to; afterwards another one is made, and put on record."""
    former = f"{images.tag(changes.RELEASED)}:{images.PREVIOUS}"
    images.previous(changes.RELEASED)
    run(["docker", "rmi", former])
    try:
        yield
    finally:
        changes.write(STATE / "documents", datetime.now(UTC))


@contextlib.contextmanager
def image_kept_without_name() -> Iterator[None]:
    """What the API would go back to is there under another name alone."""
    former = f"{images.tag(changes.RELEASED)}:{images.PREVIOUS}"
    run(["docker", "tag", former, KEPT])
    run(["docker", "rmi", former])
    try:
        yield
    finally:
        run(["docker", "tag", KEPT, former])
        run(["docker", "rmi", KEPT])
