"""What Prometheus does to the labels of its alerts before it sends them: adds its own, then relabels.

Pure. It follows Prometheus' notifier and model/relabel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from opsverify.errors import UnansweredError
from opsverify.routing import expression

REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))|\$\$")


@dataclass(frozen=True)
class Step:
    """One step of ``alert_relabel_configs``."""

    action: str = "replace"
    source: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = "(.*)"
    target: str = ""
    replacement: str = "$1"

    def __post_init__(self) -> None:
        if self.action not in ("replace", "keep", "drop", "labeldrop", "labelkeep") or "$" in self.target:
            raise UnansweredError(
                f"alerts are relabelled in a way that is not understood ({self.action} {self.target})"
            )
        expression(self.regex)

    def applied(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """The labels after it; None for an alert that is dropped."""
        regex = expression(self.regex)
        if self.action in ("labeldrop", "labelkeep"):
            kept = self.action == "labelkeep"
            return {name: value for name, value in labels.items() if bool(regex.fullmatch(name)) is kept}
        found = regex.fullmatch(self.separator.join(labels.get(each, "") for each in self.source))
        if self.action in ("keep", "drop"):
            return dict(labels) if bool(found) is (self.action == "keep") else None
        if found is None:
            return dict(labels)
        value = REFERENCE.sub(lambda one: _group(found, one[1] or one[2]), self.replacement)
        return {name: text for name, text in {**labels, self.target: value}.items() if text}


def _group(found: re.Match[str], name: str | None) -> str:
    if name is None:
        return "$"
    try:
        return found[int(name) if name.isdecimal() else name] or ""
    except IndexError:
        return ""  # as Go has it


@dataclass(frozen=True)
class Sender:
    """A Prometheus as a sender of alerts: the ``external`` labels that it adds, and the steps of its relabelling."""

    external: Mapping[str, str]
    steps: tuple[Step, ...] = ()

    def sent(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """An alert's labels as Alertmanager is told them; None where it never is."""
        found: dict[str, str] | None = {**self.external, **labels}
        for each in self.steps:
            if found is not None:
                found = each.applied(found)
        return found
