"""Facts from Prometheus about its rules: what is loaded, by which labels, and what it adds to each alert."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import about
from opsverify.relabelling import Sender, Step


@dataclass(frozen=True)
class Rule:
    """A rule as loaded: an alert, or a recording (``alert`` is False). Times are in seconds."""

    name: str
    alert: bool
    query: str
    labels: Mapping[str, str]
    wait_s: float = 0.0
    keep_s: float = 0.0


@dataclass(frozen=True)
class Group:
    """A group of rules, in the order in which they are evaluated, and the seconds between two evaluations."""

    name: str
    rules: tuple[Rule, ...]
    interval_s: float = 60.0


def groups(prometheus: WebChannel) -> tuple[Group, ...]:
    """All groups of rules that are loaded.

    Raises:
        UnansweredError: the server answered with an error, or with something that is not understood.
    """
    return parse_groups(_asked(prometheus, "/api/v1/rules"))


def _asked(prometheus: WebChannel, path: str) -> str:
    with about(f"prometheus {prometheus.target}: asked {path}"):
        answer = prometheus.get(path)
        if answer.status != 200:
            raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
        return answer.text


def parse_groups(text: str) -> tuple[Group, ...]:
    """Parse the answer of /api/v1/rules, of Prometheus 2 and 3.

    Raises:
        UnansweredError: it is not understood.
    """
    try:
        answer = json.loads(text)
        if answer["status"] != "success":
            raise UnansweredError(f"no rules in the answer: {text[:200]!r}")
        return tuple(
            Group(str(each["name"]), tuple(map(_rule, each["rules"])), float(each["interval"]))
            for each in answer["data"]["groups"]
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise UnansweredError(f"the answer is not understood: {text[:200]!r}") from None


def _rule(told: Mapping[str, Any]) -> Rule:
    if told["type"] not in ("alerting", "recording"):
        raise UnansweredError(f"a rule of the type {told['type']!r} is not understood")
    labels = {str(name): str(value) for name, value in (told.get("labels") or {}).items()}
    alert = told["type"] == "alerting"
    wait, keep = (float(told.get(key) or 0) if alert else 0.0 for key in ("duration", "keepFiringFor"))
    return Rule(str(told["name"]), alert, str(told["query"]), labels, wait, keep)


def sender(prometheus: WebChannel) -> Sender:
    """What this Prometheus does to the labels of all of its alerts.

    Raises:
        UnansweredError: its configuration is not to be had, or not understood.
    """
    return parse_sender(_asked(prometheus, "/api/v1/status/config"))


def parse_sender(text: str) -> Sender:
    """Parse the answer of /api/v1/status/config.

    Raises:
        UnansweredError: it is not understood.
    """
    try:
        told = yaml.load(json.loads(text)["data"]["yaml"], Loader=yaml.BaseLoader)  # noqa: S506  texts, lists, tables
        labels = (told.get("global") or {}).get("external_labels") or {}
        alerting = told.get("alerting") or {}
        if any(each.get("alert_relabel_configs") for each in alerting.get("alertmanagers") or []):
            raise UnansweredError("alerts are relabelled for one Alertmanager alone, which is not understood")
        steps = tuple(map(_step, alerting.get("alert_relabel_configs") or []))
        return Sender({str(name): str(value) for name, value in labels.items()}, steps)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, yaml.YAMLError):
        raise UnansweredError(f"the configuration is not understood: {text[:200]!r}") from None


def _step(told: Mapping[str, Any]) -> Step:
    keys = ("action", "separator", "regex", "target_label", "replacement")
    found = {key.removesuffix("_label"): str(told[key]) for key in keys if key in told}
    found["action"] = found.get("action", "replace").casefold()
    return Step(source=tuple(map(str, told.get("source_labels") or [])), **found)
