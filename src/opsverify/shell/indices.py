"""Which of the commands that a host runs by itself delete indices of Elasticsearch."""

from __future__ import annotations

import posixpath
import re

from opsverify.shell.deletions import Deleter, not_followed
from opsverify.shell.facts import Followed
from opsverify.shell.values import ANY, PRIVATE, days_ago, shown

CLIENTS = {"curl", "wget", "http", "https", "xh", "es", "elasticdump"}
URL = re.compile(r"(?:https?://)?[^/\s]+(?::\d+)?/(?P<index>[^/?\s]+)(?P<rest>[^\s]*)")
DELETING = re.compile(r"_delete_by_query|_data_stream|_rollover")


def index_deletions(followed: Followed, index: str) -> tuple[tuple[Deleter, ...], int]:
    """What deletes in the index (a pattern that ends in ``*``), and how many requests delete, but elsewhere.

    What could not be followed is doubted.
    """
    found: list[Deleter] = []
    elsewhere = 0
    for where, way in followed.ways():
        names = {posixpath.basename(each) for each in way}
        text = " ".join(way)
        if names & {"curator", "curator_cli", "es_repo_mgr"}:
            found.append(Deleter(where, shown(text), None, "what curator deletes is not read"))
        elif names & CLIENTS and (re.search(r"(^|[\s=X])['\"]?DELETE\b", text) or DELETING.search(text)):
            deleter = _request(where, way, index.rstrip("*"))
            elsewhere += deleter is None
            found += [deleter] if deleter else []
    return tuple(dict.fromkeys((*found, *not_followed(followed)))), elsewhere


def _request(where: str, way: tuple[str, ...], prefix: str) -> Deleter | None:
    """The deletion by one request; None where it is none of this index."""
    what = shown(" ".join(way))
    for word in way[1:]:
        url = URL.fullmatch(word) if not word.startswith("-") else None
        if url is None:
            continue
        named = url["index"]
        begin = re.split(rf"[*?,]|{PRIVATE.pattern}", named, maxsplit=1)[0]
        if not (begin.startswith(prefix) or prefix.startswith(begin) or named == "_all"):
            return None
        days = days_ago(named)
        untold = ANY in named or (url["rest"] and DELETING.search(url["rest"]))
        doubt = "which of them it deletes cannot be told" if untold else ""
        return Deleter(where, what, None if days is None else float(max(days - 1, 0)), doubt)
    return Deleter(where, what, None, "what it deletes cannot be told")
