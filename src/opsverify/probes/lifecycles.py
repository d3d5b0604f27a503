"""What deletes indices of Elasticsearch: its index lifecycle management."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opsverify.channels.web import WebChannel
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about
from opsverify.probes.deleters import Deleters
from opsverify.probes.log_days import asked
from opsverify.shell.deletions import Deleter

UNITS = {"d": 1.0, "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86400, "ms": 1 / 86_400_000, "micros": 0.0, "nanos": 0.0}


def lifecycle(elasticsearch: WebChannel, index: str) -> Deleters:
    """The policies that delete indices; an index without one is deleted by nothing of Elasticsearch's own.

    Raises:
        UnansweredError: the server does not answer, or with something that is not understood.
        InsufficientFactsError: there is no such index, or one is managed in a way that is not read.
    """
    told = asked(elasticsearch, f"/{index}/_ilm/explain")
    with about(f"elasticsearch {elasticsearch.target}"):
        managed, unmanaged = parse_explained(told)
        if not managed and not unmanaged:
            raise InsufficientFactsError(f"there is no index {index}, so it cannot be told what deletes one")
        found = []
        for name in sorted(set(managed.values())):
            policy = asked(elasticsearch, f"/_ilm/policy/{name}")
            mine = sum(1 for each in managed.values() if each == name)
            found += parse_policy(policy, name, mine)
    return Deleters(tuple(found), 0, {"indices": len(managed) + unmanaged, "policies": len(set(managed.values()))})


def parse_explained(told: Any) -> tuple[dict[str, str], int]:
    """The policy by index, and the number of indices without one, from ``_ilm/explain``.

    Raises:
        UnansweredError: it is no such answer.
        InsufficientFactsError: an index belongs to a data stream, whose own lifecycle is not read.
    """
    managed: dict[str, str] = {}
    unmanaged = 0
    try:
        for name, each in told["indices"].items():
            if each["managed"] is True:
                managed[name] = str(each["policy"])
            elif each["managed"] is not False:
                raise TypeError
            elif name.startswith(".ds-"):
                raise InsufficientFactsError(f"{name} is of a data stream, whose own lifecycle is not read")
            else:
                unmanaged += 1
    except (KeyError, TypeError, AttributeError):
        raise UnansweredError(f"no explanation of lifecycles: {str(told)[:200]!r}") from None
    if any(not re.fullmatch(r"[\w.@+-]+", each) for each in managed.values()):
        raise UnansweredError(f"the name of a policy is not understood: {sorted(managed.values())[0][:60]!r}")
    return managed, unmanaged


def parse_policy(told: Any, name: str, indices: int) -> list[Deleter]:
    """When a policy deletes its indices.

    Without a rollover the age counts from the moment that the index was created, so that the last entries of its day
    are a day younger. One that never deletes is no deleter.

    Raises:
        UnansweredError: it is no such policy.
    """
    try:
        phases: Mapping[str, Any] = told[name]["policy"]["phases"]
        if "delete" not in phases:
            return []
        said = str(phases["delete"].get("min_age", "0ms"))
        rolled = any("rollover" in each.get("actions", {}) for each in phases.values())
    except (KeyError, TypeError, AttributeError):
        raise UnansweredError(f"the lifecycle policy {name} is not understood: {str(told)[:200]!r}") from None
    days = parse_age(said)
    what = f"deletes {indices} indices at min_age {said}"
    if rolled:
        return [Deleter(f"lifecycle policy {name}", f"{what} after their rollover", days)]
    return [Deleter(f"lifecycle policy {name}", f"{what} after their day has begun", max(days - 1, 0.0))]


def parse_age(text: str) -> float:
    """An age as Elasticsearch writes it, in days.

    Raises:
        UnansweredError: it is none.
    """
    parts = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)(d|h|m|s|ms|micros|nanos)", text) or re.fullmatch(r"(0)()", text)
    if parts is None:
        raise UnansweredError(f"this age is not understood: {text[:60]!r}")
    return float(parts[1]) * UNITS.get(parts[2], 0.0)
