"""``reports/index.html`` and ``reports/<stream>/index.html``: the runs there are, newest first, and where it is going.

Made with Jinja2, without script or request; every text on its way into the page is spelled out where it would act and
then escaped. A page says what files say: whether they say what was sealed, ``opsverify bundle chain`` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Template

from opsverify import files, pages
from opsverify.errors import UsageError
from opsverify.record import STATES
from opsverify.reports import summaries
from opsverify.reports.summaries import RunSeen, StreamSeen
from opsverify.summary import SIGNS, Sign
from opsverify.waiving import is_met

NAME = "index.html"
LONGEST = 400  # characters of one text
MOST_RUNS = 2000
MOST_NAMED = 50
MOST_POINTS = 60  # of a trend
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 150, 34, 10, 22
LINES = {"fail": ("fails", "不符合", ""), "error": ("errors", "无法判定", "6 4"), "waived": ("waived", "已豁免", "2 3")}
VERDICTS = {"met": ("good", "✓"), "not met": ("bad", "✗"), "undetermined": ("unsure", "?")}
PARTLY_MET = ("unsure", SIGNS["not-tested"].symbol)
GATES: dict[str, tuple[str, Sign]] = {
    "GO": ("good", Sign("✓", "放行")),
    "WARN": ("unsure", Sign("!", "须留意")),
    "NO-GO": ("bad", Sign("✗", "否决")),
    "INCONCLUSIVE": ("unsure", Sign("?", "无法判定")),
}
SEALS = {  # by the files that are there: that a signature is one, nobody has looked here
    "signed": ("muted", Sign("", "有签名，本页未验证")),
    "unsigned": ("bad", Sign("✗", "未签名")),
    "unsealed": ("unsure", Sign("–", "未封存")),
}
PACKAGE = Path(__file__).parents[1]
SHEETS = (PACKAGE / "gate" / "page.css", Path(__file__).with_name("index.css"))  # after the one that all pages share


class Line(NamedTuple):
    """A line of a trend: what it counts, in both languages, its dashes, its points, and its first and last value."""

    state: str
    english: str
    chinese: str
    dashes: str
    points: str
    first: int
    last: int


class Trend(NamedTuple):
    """A picture: its lines, its highest value, and the days of its first and last run."""

    lines: tuple[Line, ...]
    top: int
    first: str
    last: str
    runs: int


def write(reports: Path, only: str | None = None, lang: str = "en") -> list[Path]:
    """Write the page of each stream (of ``only`` one, if given) and the page of all; which pages were written.

    Raises:
        UsageError: there is no such folder, or it cannot be written to.
    """
    try:
        folders = summaries.streams(reports)
        seen = {each.name: summaries.stream(each) for each in folders}
        written = [
            files.write(reports / name / NAME, stream_page(each, lang))
            for name, each in seen.items()
            if only in (None, name)
        ]
        return [*written, files.write(reports / NAME, front_page(list(seen.values()), lang))]
    except OSError as error:
        raise UsageError(f"{reports.name}: its pages cannot be written: {error.strerror}") from None


def stream_page(seen: StreamSeen, lang: str = "en") -> str:
    """The page of a stream."""
    return _template().render(lang=lang, css=pages.style(*SHEETS), title=seen.name, streams=[], stream=seen, up="../")


def front_page(streams: Sequence[StreamSeen], lang: str = "en") -> str:
    """The page of all streams."""
    return _template().render(lang=lang, css=pages.style(*SHEETS), title="", streams=streams, stream=None, up="")


def trend(runs: Sequence[RunSeen]) -> Trend | None:
    """What failed, could not be determined or was waived in the latest whole runs; None of fewer than two.

    A run of a part of the checks fails less and means nothing here.
    """
    points = [each for each in runs if each.whole][:MOST_POINTS][::-1]
    if len(points) < 2:
        return None
    top = max(1, *(each.states[state] for each in points for state in LINES))
    step = (WIDTH - LEFT - 8) / (len(points) - 1)
    high = HEIGHT - TOP - BOTTOM
    lines = []
    for state, (english, chinese, dashes) in LINES.items():
        values = [each.states[state] for each in points]
        path = " ".join(
            f"{LEFT + place * step:.1f},{TOP + high * (1 - value / top):.1f}" for place, value in enumerate(values)
        )
        lines.append(Line(state, english, chinese, dashes, path, values[0], values[-1]))
    return Trend(tuple(lines), top, f"{points[0].start:%Y-%m-%d}", f"{points[-1].start:%Y-%m-%d}", len(points))


@cache
def _template() -> Template:
    environment = pages.environment("results.json", LONGEST)
    environment.filters.update(link=_link)
    environment.globals.update(
        STATES=STATES,
        SIGNS=SIGNS,
        GATES=GATES,
        SEALS=SEALS,
        MOST_RUNS=MOST_RUNS,
        MOST_NAMED=MOST_NAMED,
        BOX=(WIDTH, HEIGHT, LEFT, TOP, BOTTOM),
        trend=trend,
        verdict=verdict,
        now=lambda: pages.moment(datetime.now(UTC)),
    )
    return environment.from_string(Path(__file__).with_name("index.html").read_text(encoding="utf-8"))


def verdict(seen: RunSeen) -> tuple[str, str]:
    """How a verdict is shown: its class and its symbol.

    What does not reconcile, was withheld in part or was never sealed is not good, nor is a part of the checks.
    """
    if is_met(seen.verdict):
        sound = seen.reconciled and not seen.withheld and seen.seal != "unsealed"
        return (VERDICTS["met"] if seen.whole else PARTLY_MET) if sound else VERDICTS["undetermined"]
    return VERDICTS.get(seen.verdict, VERDICTS["undetermined"])


def _link(name: str) -> str:
    """The name of a file or folder as a relative address, whatever is in it."""
    return "./" + quote(name, safe="", errors="replace")
