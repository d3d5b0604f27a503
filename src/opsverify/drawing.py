"""A series drawn as inline SVG: no script, no request, told apart without colours, and its figures in words too.

Whatever a series holds, this draws something that is true: no points, one point, gaps, a limit far above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from opsverify.charts import Point, Series
from opsverify.judgement import BYTES, byte_size
from opsverify.texts import clip, visible

WIDTH, HEIGHT = 480.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 12.0, 20.0, 24.0
CHARACTER = 6.2  # the width of one, about
ABOVE = 12.0  # a limit so many times above all values is named, not drawn: it would press the line flat
SMALLEST = 1e-150  # a difference that is next to none; axes need one
MOST_NAME = 120
MOST_LABELS = 5
DAY = 86400.0
STEPS = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 61 * DAY)

# Blue and vermilion of Okabe and Ito; lines are told apart by their dashes as well.
AXIS, INK, DATA, LIMIT = "#c9ced6", "#4b5563", "#0072b2", "#b84a00"


@dataclass(frozen=True)
class Frame:
    """What part of time and of the values a picture shows, and where on the paper that is."""

    start: float
    end: float
    low: float
    high: float

    def x(self, moment: float) -> float:
        """Where a moment lies."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (moment - self.start) / (self.end - self.start)

    def y(self, value: float) -> float:
        """Where a value lies."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)


def figure(drawn: Series) -> str:
    """The picture of a series with its caption, as HTML on one line."""
    name, words = plain(drawn.name), plain(alternative(drawn))
    return f'<figure class="chart"><figcaption><b>{name}</b><br>{words}</figcaption>{svg(drawn)}</figure>'


def svg(drawn: Series) -> str:
    """The picture alone. ``title`` and ``desc`` say what it shows to whoever cannot see it."""
    name, words = plain(drawn.name), plain(alternative(drawn))
    opening = (
        f'<svg role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'font-family="inherit" font-size="11" fill="{INK}"><title>{name}</title><desc>{words}</desc>'
    )
    known, ahead = _values(drawn.points), _values(drawn.forecast)
    if not known and not ahead:
        return f'{opening}<text x="{WIDTH / 2:g}" y="{HEIGHT / 2:g}" text-anchor="middle">no data 无数据</text></svg>'
    frame = _frame(drawn, [*known, *ahead])
    parts = [
        *_axes(frame, drawn.unit),
        *_line(frame, drawn.points, 'stroke-width="1.75"'),
        *_line(frame, drawn.forecast, 'stroke-width="1.75" stroke-dasharray="6 4"'),
        *_limit(frame, drawn),
    ]
    return f"{opening}{''.join(parts)}</svg>"


def alternative(drawn: Series) -> str:
    """What the picture shows, in words: from when to when, first, last, lowest, highest, limit, forecast."""
    known, ahead = _values(drawn.points), _values(drawn.forecast)
    parts = ["no data"]
    if known:
        values = [value for _, value in known]
        figures = {"first": values[0], "last": values[-1], "min": min(values), "max": max(values)}
        listed = ", ".join(f"{word} {reading(value, drawn.unit)}" for word, value in figures.items())
        parts = [f"{_minute(known[0][0])} to {_minute(known[-1][0])} UTC: {listed}"]
        parts += ["with gaps in the data"] if len(known) < len(drawn.points) else []
    if drawn.limit is not None:
        parts.append(f"limit {reading(drawn.limit, drawn.unit)}")
    if ahead:
        parts.append(f"forecast (dashed) {reading(ahead[-1][1], drawn.unit)} on {_minute(ahead[-1][0])[:10]}")
    return "; ".join(parts)


def reading(value: float, unit: str) -> str:
    """A value as a person reads it: a ratio in percent, bytes in the unit that fits."""
    if unit == "ratio":
        return f"{100 * value:.4g} %"
    if unit == "bytes":
        return byte_size(value)
    return f"{value:.4g} {'s' if unit == 'seconds' else unit}".rstrip()


def plain(words: str) -> str:
    """A text as it may stand in a picture: cut, on one line, and nothing in it acts."""
    return escape(visible(clip(words, 4 * MOST_NAME))).replace("\n", " ")


def _minute(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


def _values(points: Iterable[Point]) -> list[Point]:
    return [(moment, value) for moment, value in points if not math.isnan(value)]


def _frame(drawn: Series, shown: Sequence[Point]) -> Frame:
    moments, values = [moment for moment, _ in shown], [value for _, value in shown]
    limit = drawn.limit
    if limit is not None and not _far_above(drawn, limit, max(values)):
        values.append(limit)
    low, high = min(0.0, *values), max(0.0, *values)  # from zero: a line that looks steep should be
    room = 0.06 * (high - low) if high - low > SMALLEST else 1.0
    start, end = min(moments), max(moments)
    spread = 0.0 if end > start else 1800.0
    return Frame(start - spread, end + spread, low - room * (low < 0), high + room)


def _far_above(drawn: Series, limit: float, highest: float) -> bool:
    """A share of something has a scale of its own, to which its limit belongs."""
    share = drawn.unit == "ratio" and limit <= 1
    return not share and limit > ABOVE * highest > 0


def _axes(frame: Frame, unit: str) -> list[str]:
    bottom, parts = HEIGHT - BOTTOM, []
    for value in ticks(frame.low, frame.high, _kibi(frame.high) if unit == "bytes" else 1.0):
        y = frame.y(value)
        parts.append(rule(LEFT, y, WIDTH - RIGHT, y, f'stroke="{AXIS}" stroke-width="0.75"'))
        label = plain(clip(reading(value, unit), 14))
        parts.append(f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    step, write = _calendar(frame.end - frame.start)
    moment = math.ceil(frame.start / step) * step
    while moment <= frame.end:
        x = frame.x(moment)
        parts.append(rule(x, bottom, x, bottom + 4, f'stroke="{INK}" stroke-width="0.75"'))
        label, moment = write(moment), moment + step
        if x + len(label) * CHARACTER / 2 < WIDTH:  # else it would be cut
            parts.append(f'<text x="{x:.1f}" y="{bottom + 16:g}" text-anchor="middle">{label}</text>')
    return [*parts, rule(LEFT, bottom, WIDTH - RIGHT, bottom, f'stroke="{INK}" stroke-width="0.75"')]


def _kibi(size: float) -> float:
    """The power of 1024 in which a size is written."""
    return 1024.0 ** min(len(BYTES) - 1, int(math.log(size, 1024))) if size >= 1 else 1.0


def ticks(low: float, high: float, unit: float) -> list[float]:
    """Two to six round values between low and high, round in ``unit``."""
    rough = (high - low) / unit / 6
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(each for each in (size, 2 * size, 5 * size, 10 * size) if each >= rough * (1 - 1e-9)) * unit
    first = math.ceil(low / step - 1e-9)
    return [step * each for each in range(first, math.floor(high / step + 1e-9) + 1)]


def _calendar(span: float) -> tuple[float, Callable[[float], str]]:
    """The step of the time axis in seconds, and how a moment is written on it."""
    step = next((each for each in STEPS if span / each <= MOST_LABELS), 0.0)
    step = step or math.ceil(span / MOST_LABELS / (365 * DAY)) * 365 * DAY
    form = "%H:%M" if span <= DAY else "%m-%d %H:%M" if step < DAY else "%m-%d" if step < 30 * DAY else "%Y-%m-%d"
    return float(step), lambda moment: datetime.fromtimestamp(moment, UTC).strftime(form)


def _limit(frame: Frame, drawn: Series) -> list[str]:
    if drawn.limit is None:
        return []
    words = f"limit {reading(drawn.limit, drawn.unit)}"
    look = f'text-anchor="end" fill="{LIMIT}" font-weight="600" stroke="#fff" stroke-width="3" paint-order="stroke"'
    if drawn.limit > frame.high:
        return [f'<text x="{WIDTH - RIGHT:g}" y="{TOP - 6:g}" {look}>{plain(words)}, above this picture ↑</text>']
    y = frame.y(drawn.limit)
    return [
        rule(LEFT, y, WIDTH - RIGHT, y, f'stroke="{LIMIT}" stroke-width="1.5" stroke-dasharray="2 3"'),
        f'<text x="{WIDTH - RIGHT:g}" y="{y - 4:.1f}" {look}>{plain(words)}</text>',
    ]


def rule(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    """A straight line; ``look`` is its attributes."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def _line(frame: Frame, points: Sequence[Point], look: str) -> list[str]:
    """The line, interrupted where there is a gap; a value between two gaps is a dot."""
    pieces: list[list[str]] = [[]]
    for moment, value in points:
        if math.isnan(value):
            pieces.append([])
        else:
            pieces[-1].append(f"{frame.x(moment):.1f} {frame.y(value):.1f}")
    path = "".join(f"M{' L'.join(each)}" for each in pieces if len(each) > 1)
    drawn = [f'<path d="{path}" fill="none" stroke="{DATA}" stroke-linejoin="round" {look}/>'] if path else []
    dots = (each[0].split() for each in pieces if len(each) == 1)
    return drawn + [f'<circle cx="{x}" cy="{y}" r="2" fill="{DATA}"/>' for x, y in dots]
