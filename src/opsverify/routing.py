"""Alertmanager's configuration as it decides: which routes an alert takes, and which alerts hold back which others.

Pure. It follows Alertmanager's dispatch/route.go and inhibit/inhibit.go, and the matchers of old (``match``,
``match_re``) as well as of new configurations (``matchers``). A label that an alert lacks counts as an empty one.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from opsverify.errors import UnansweredError

ALL = "..."  # group_by: [...] puts every alert into a group of its own
DEFAULT_WAIT_S, DEFAULT_REPEAT_S = 30.0, 4 * 3600.0
UNITS = {"y": 365 * 86400.0, "w": 7 * 86400.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
MOST_ROUTES, LONGEST_CONFIGURATION = 2000, 1024 * 1024  # characters
# Names without quotes are of any characters since Alertmanager 0.27, but for those that its syntax needs.
MATCHER = re.compile(
    r'\s*+(?:"(?P<quoted_name>(?:[^"\\]|\\.)*+)"|(?P<name>[^\s{}!=~,\\"\'`]+))\s*+(?P<operator>=~|!~|!=|=)'
    r'\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"\s*+|(?P<bare>[^,"]*+))(?:,|$)',
    re.DOTALL,
)
ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
# What Go's regular expressions know and Python's read otherwise without a word.
UNLIKE_PYTHON = re.compile(r"\[\[:|\\[pPQEzC]")
# Go's take a time that grows with the text; Python's grow with a power of it for every repetition, and without bound
# for one around another. Whoever may silence alerts may write them.
ONE_CHARACTER = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]", re.DOTALL)
GROUP = re.compile(r"\((?:\?[a-zA-Z]*:|\?P?<\w+>)?([^()]*)\)([*+?{]?)")
VARIES = re.compile(r"[*+?{|]")
MOST_REPETITIONS, MOST_CHOICES = 4, 12

# An address of the web, or of mail, in a domain that RFC 2606 keeps for examples.
RESERVED = re.compile(
    r"\s*(?:https?://|[^@\s]+@)(?:[\w-]+\.)*(?:example\.(?:com|net|org)|example|invalid|test)(?:[:/>]|\s*$)",
    re.IGNORECASE,
)

Labels = Mapping[str, str]


@functools.lru_cache(maxsize=1000)
def expression(text: str) -> re.Pattern[str]:
    """A regular expression of Go's, which is matched against the whole of a value.

    Raises:
        UnansweredError: it is none, Python reads it otherwise, or it could take for ever.
    """
    if UNLIKE_PYTHON.search(text):
        raise UnansweredError(f"the expression {text[:200]!r} is not understood")
    try:
        found = re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnansweredError(f"the expression {text[:200]!r} is not understood: {error}") from None
    if _could_take_for_ever(text):
        raise UnansweredError(f"the expression {text[:200]!r} has repetitions within others, or too many of them")
    return found


def _could_take_for_ever(text: str) -> bool:
    plain = ONE_CHARACTER.sub("a", text)
    parts = [plain] if "(" in plain else plain.split("|")
    if max(sum(map(each.count, "*+{")) for each in parts) > MOST_REPETITIONS:
        return True
    choices = plain.count("?")
    while group := GROUP.search(plain):
        varies = VARIES.search(group[1])
        if varies and group[2] in ("*", "+", "{"):
            return True
        choices += bool(varies)
        plain = plain[: group.start()] + ("a|" if varies else "a") + group[2] + plain[group.end() :]
    return choices > MOST_CHOICES


@dataclass(frozen=True)
class Matcher:
    """A condition on one label: ``=``, ``!=``, ``=~`` or ``!~`` (regular expressions match the whole value)."""

    label: str
    operator: str
    value: str

    def __post_init__(self) -> None:
        if "~" in self.operator:
            expression(self.value)

    def matches(self, labels: Labels) -> bool:
        """Tell whether an alert with these labels meets it."""
        value = labels.get(self.label, "")
        found = bool(expression(self.value).fullmatch(value)) if "~" in self.operator else value == self.value
        return found != self.operator.startswith("!")

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'


@dataclass(frozen=True)
class Route:
    """A route with what it inherits. ``group_by`` is ``("...",)`` for every label; times are in seconds.

    ``goes_on``: an alert that takes it is offered to the routes after it as well (``continue``). ``muted`` names the
    time intervals at which, or outside of which, nothing is sent.
    """

    receiver: str
    matchers: tuple[Matcher, ...]
    goes_on: bool
    group_by: tuple[str, ...]
    group_wait_s: float
    repeat_s: float
    muted: tuple[str, ...]
    routes: tuple[Route, ...]

    def paths(self) -> Iterator[tuple[Route, ...]]:
        """The way from here to every route below, and to this one itself."""
        yield (self,)
        for each in self.routes:
            yield from ((self, *path) for path in each.paths())

    def taken(self, labels: Labels) -> list[tuple[Route, ...]]:
        """The ways that an alert with these labels takes, each from here to the route that sends it."""
        if not all(each.matches(labels) for each in self.matchers):
            return []
        found: list[tuple[Route, ...]] = []
        for each in self.routes:
            below = each.taken(labels)
            found += [(self, *path) for path in below]
            if below and not each.goes_on:
                break
        return found or [(self,)]

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.matchers)) + "}"


@dataclass(frozen=True)
class Inhibition:
    """While a source alert fires, target alerts with the same values of the ``equal`` labels are not sent."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def holds_back(self, source: Labels, target: Labels) -> bool:
        """Tell whether an alert with the labels ``source`` holds back one with the labels ``target``."""
        if not (_all(self.source, source) and _all(self.target, target)):
            return False
        if _all(self.source, target) and _all(self.target, source):
            return False  # alerts that are both do not hold back each other
        return all(source.get(each, "") == target.get(each, "") for each in self.equal)

    def __str__(self) -> str:
        source, target = (", ".join(map(str, each)) for each in (self.source, self.target))
        return f"{{{source}}} → {{{target}}}, equal: {', '.join(self.equal) or 'nothing'}"


def _all(matchers: tuple[Matcher, ...], labels: Labels) -> bool:
    return all(each.matches(labels) for each in matchers)


@dataclass(frozen=True)
class Configuration:
    """What an Alertmanager is configured to do: its tree of routes, integrations by receiver, and inhibitions."""

    route: Route
    receivers: Mapping[str, tuple[str, ...]]
    inhibitions: tuple[Inhibition, ...]


def named(path: tuple[Route, ...]) -> str:
    """A way through the tree in words: the matchers on it, without those of the root, which has none."""
    return "/".join(map(str, path[1:])) or "the top route"


def parse(text: str) -> Configuration:
    """A configuration from its YAML, as Alertmanager tells it (``config.original``).

    Raises:
        UnansweredError: it is not understood.
    """
    if len(text) > LONGEST_CONFIGURATION:
        raise UnansweredError(f"a configuration of {len(text)} characters, more than {LONGEST_CONFIGURATION}")
    try:
        found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  knows texts, lists and tables, nothing else
        top = _mapping(found, "the configuration")
        return Configuration(
            _route(_mapping(top.get("route"), "route"), None, itertools.count(1)),
            {str(each["name"]): _integrations(each) for each in _listed(top, "receivers")},
            tuple(_inhibition(_mapping(each, "inhibit_rules")) for each in _listed(top, "inhibit_rules")),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"the configuration of Alertmanager is not understood: {error}") from None


def _route(told: Mapping[str, Any], parent: Route | None, counted: Iterator[int]) -> Route:
    if next(counted) > MOST_ROUTES:  # an alias in YAML may stand for thousands
        raise UnansweredError(f"the configuration of Alertmanager has more than {MOST_ROUTES} routes")
    groups = tuple(map(str, _listed(told, "group_by")))
    receiver = told.get("receiver") or (parent and parent.receiver)
    if not isinstance(receiver, str):
        raise UnansweredError("the configuration of Alertmanager is not understood: a route without receiver")
    here = Route(
        receiver=receiver,
        matchers=_matchers(told, ""),
        goes_on=_yes(told, "continue"),
        group_by=groups or (parent.group_by if parent else ()),
        group_wait_s=_seconds(told.get("group_wait"), parent.group_wait_s if parent else DEFAULT_WAIT_S),
        repeat_s=_seconds(told.get("repeat_interval"), parent.repeat_s if parent else DEFAULT_REPEAT_S),
        muted=tuple(str(each) for key in ("mute", "active") for each in _listed(told, f"{key}_time_intervals")),
        routes=(),
    )
    below = tuple(_route(_mapping(each, "routes"), here, counted) for each in _listed(told, "routes"))
    return Route(**{**here.__dict__, "routes": below})


def _inhibition(told: Mapping[str, Any]) -> Inhibition:
    equal = tuple(map(str, _listed(told, "equal")))
    return Inhibition(_matchers(told, "source_"), _matchers(told, "target_"), equal)


def _matchers(told: Mapping[str, Any], prefix: str) -> tuple[Matcher, ...]:
    found = []
    for key, operator in (("match", "="), ("match_re", "=~")):
        values = _mapping(told.get(f"{prefix}{key}") or {}, f"{prefix}{key}")
        found += [Matcher(str(label), operator, str(value)) for label, value in values.items()]
    for text in _listed(told, f"{prefix}matchers"):
        found += matchers(str(text))
    return tuple(found)


def matchers(text: str) -> tuple[Matcher, ...]:
    """The matchers of a text such as ``severity="critical", team=~"a|b"``, with or without braces around it.

    Raises:
        UnansweredError: it is not understood.
    """
    rest = text.strip()
    rest = rest[1:-1].strip() if rest.startswith("{") and rest.endswith("}") else rest
    found = []
    at = 0
    while at < len(rest):
        one = MATCHER.match(rest, at)
        if one is None:
            raise UnansweredError(f"the matcher {text!r} is not understood")
        name = one["name"] or _unescaped(one["quoted_name"])
        value = one["bare"].rstrip() if one["quoted"] is None else _unescaped(one["quoted"])
        found.append(Matcher(name, one["operator"], value))
        at = one.end()
    return tuple(found)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPED.get(found[1], found[0]), text, flags=re.DOTALL)


def _integrations(receiver: Mapping[str, Any]) -> tuple[str, ...]:
    """Its kinds of integration, but those that go to a placeholder; keys and most addresses are masked."""
    found = []
    for key, value in receiver.items():
        if key.endswith("_configs") and isinstance(value, list):
            real = [each for each in value if not (isinstance(each, dict) and _placeholder(each))]
            found += [key.removesuffix("_configs")] * bool(real)
    return tuple(found)


def _placeholder(integration: Mapping[str, Any]) -> bool:
    told = [str(value) for key, value in integration.items() if key == "to" or key.endswith("url")]
    return any(all(map(RESERVED.match, each.split(","))) for each in told)


def _seconds(told: object, inherited: float) -> float:
    return seconds(str(told)) if told else inherited


def _yes(told: Mapping[str, Any], key: str) -> bool:
    found = told.get(key) or "false"
    if found not in ("true", "false"):  # which is how Alertmanager writes them
        raise UnansweredError(f"the configuration of Alertmanager is not understood: {key}: {found!r}")
    return bool(found == "true")


def seconds(text: str) -> float:
    """A duration of Prometheus, such as ``1h30m``, in seconds.

    Raises:
        UnansweredError: it is none.
    """
    if text == "0":
        return 0.0
    parts = re.findall(r"(\d+)(ms|[ywdhms])", text)
    if not parts or "".join(map("".join, parts)) != text:
        raise UnansweredError(f"{text!r} is no duration that is understood")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def _mapping(found: object, name: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise UnansweredError(f"the configuration of Alertmanager is not understood: {name} is no mapping")
    return found


def _listed(told: Mapping[str, Any], key: str) -> list[Any]:
    found = told.get(key)
    if found in (None, "", "null"):
        return []
    if not isinstance(found, list):
        raise UnansweredError(f"the configuration of Alertmanager is not understood: {key} is no list")
    return found
