"""The auditor's page: ``evidence.html``, a run as somebody reads it who was not there and takes nothing on trust.

One file that needs nothing else: no request, and no script but one that adds filters, known to the page's own policy by
its digest. What a live system said goes through `pages.shown` on its way into the page. The template is XML as well as
HTML, so that a test can tell that nothing broke out of its place.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from functools import cache
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

from opsverify import clocks, files, pages
from opsverify.catalogue import SEVERITIES
from opsverify.errors import UsageError
from opsverify.evidence import reading, views, words
from opsverify.evidence.controls import of_document
from opsverify.evidence.doubts import doubts
from opsverify.evidence.reading import Evidence
from opsverify.record import GREEN, STATES
from opsverify.summary import SIGNS, clock_notices
from opsverify.waiving import is_met

NAME = "evidence.html"
POLICY = ("default-src 'none'", "base-uri 'none'", "form-action 'none'")
LONGEST = 2000  # characters of one text
MOST_VALUE = 400  # of one value beside others
MOST_BRIEF = 160  # of a question, above the whole of it
MOST_FAILURES = 300  # of one severity; all of them are among the results
MOST_NAMED = 400  # in a list of names


def page(directory: Path, lang: str = "en", framework: str = "") -> str:
    """A run as one HTML file, in English (``en``) or Chinese (``zh``).

    With a ``framework`` (``soc2``, ``iso27001``, ``mlps``) requirements and results are in the order of its controls.

    Raises:
        UsageError: there is no record of a run, or it is not as a record has to be; it knows no such framework.
        ValueError: no such language.
    """
    return rendered(reading.read(directory), lang, framework)


def write(directory: Path) -> Path:
    """Write the page of a run into its directory, in English.

    Raises:
        UsageError: as `page`.
    """
    return files.write(directory / NAME, page(directory))


def rendered(evidence: Evidence, lang: str, framework: str = "") -> str:
    """`page`, of evidence that was read before.

    Raises:
        UsageError: the record knows no such framework.
        ValueError: no such language.
    """
    names = of_document(evidence.document).frameworks
    if framework and framework not in names:
        known = ", ".join(names) or "none: the record has no mapping"
        raise UsageError(f"framework {framework!r}: unknown (known: {known})")
    arrangement = views.arranged(evidence, framework, lang)
    sums = views.reconciliation(evidence)
    doubted = doubts(evidence, sums)
    style, script = _style(evidence), Markup(_beside("page.js"))  # noqa: S704  our own
    return _template(pages.checked(lang)).render(
        evidence=evidence,
        document=evidence.document,
        run=evidence.document["run"],
        lang=lang,
        style=style,
        script=script,
        policy="; ".join((*POLICY, f"style-src {_hash(style)}", f"script-src {_hash(script)}")),
        look=("✗", "bad") if doubted else _look(evidence),
        doubts=doubted,
        verdict=words.verdict(evidence.document, lang, doubted=bool(doubted)),
        sentence=words.sentence(evidence.document, lang),
        sums=sums,
        clock_notices=clock_notices(evidence.document),
        clocks=clocks.line(evidence.document["run"]),
        regressions=views.regressions(evidence, arrangement),
        failures=views.failures(arrangement),
        exceptions=views.exceptions(evidence, arrangement),
        arrangement=arrangement,
        framework=framework,
        frameworks={each: both[lang == "zh"] for each, both in names.items()},
        signed=evidence.signed,
        redacted=views.redacted(evidence.redactions),
        masked=[each for each in evidence.exchanges.values() if each.masked],
        limits=[(row, limit) for row in evidence.document["coverage"] for limit in row["limits"]],
        stream=shlex.quote(evidence.directory.parent.name),
        name=shlex.quote(evidence.directory.name),
    )


@cache
def _template(lang: str) -> Template:
    environment = pages.environment(reading.RECORD, LONGEST, lang)
    environment.filters.update(brief=lambda text: text if len(text) <= MOST_BRIEF else f"{text[:MOST_BRIEF]} …")
    environment.globals.update(
        L=lambda english, chinese: chinese if lang == "zh" else english,
        SIGNS=SIGNS,
        STATES=STATES,
        GREEN=GREEN,
        SEVERITIES=SEVERITIES,
        SEVERITY=words.SEVERITY,
        MEANINGS=words.MEANINGS,
        USES=words.USES,
        PURPOSES=words.PURPOSES,
        ORIGINS=words.ORIGINS,
        PLACES=words.PLACES,
        said=lambda of, word: of.get(word, (word, word))[lang == "zh"],
        verdict_in=lambda recorded: words.verdict_in(recorded, lang),
        MOST_FAILURES=MOST_FAILURES,
        MOST_NAMED=MOST_NAMED,
        MOST_VALUE=MOST_VALUE,
    )
    return environment.from_string(_beside("page.html"))


@cache
def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _style(evidence: Evidence) -> Markup:
    """The style sheet, with what stands at the foot of every page that is printed."""
    run = evidence.document["run"]
    foot = re.sub(r"[^\w .:/-]", "?", f"opsverify run {run['id'][:40]} {run['profile'][:60]}", flags=re.ASCII)
    counted = f'"{foot} · " counter(page) "/" counter(pages)'
    paper = f"@page {{ margin: 14mm 12mm 16mm; @bottom-center {{ content: {counted}; font: 9px sans-serif; }} }}\n"
    return Markup(pages.style(Path(__file__).with_name("page.css")) + paper)  # noqa: S704  nothing but word characters


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _look(evidence: Evidence) -> tuple[str, str]:
    """Symbol and class of the verdict: what is met in part, or under waivers, must not look as if it were all well."""
    run = evidence.document["run"]
    if not is_met(run["verdict"]):
        return ("✗", "bad") if run["verdict"] == "not met" else ("?", "unsure")
    if run["waived"]:
        return "≈", "unsure"
    return ("✓", "unsure") if run["partial"] else ("✓", "good")
