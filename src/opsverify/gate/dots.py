"""Samples of a number before and after a change, drawn as inline SVG: every one a dot, with the medians marked.

Read without colours too: before is hollow and above, after is filled and below. What lies far beyond both medians is
named and not drawn, for it would press all others into one spot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from opsverify import charts
from opsverify.drawing import ABOVE, AXIS, CHARACTER, DATA, INK, LIMIT, SMALLEST, plain, rule, ticks

WIDTH, HEIGHT = 480.0, 168.0
LEFT, RIGHT = 66.0, 14.0
ROWS = (48.0, 108.0)  # where before and after lie
FLOOR = 138.0  # where the axis lies
RADIUS = 2.6
SPREAD = 15.0  # how far dots of one value lie from their row
MOST_DOTS = 200  # a side
LARGEST = 1e9  # seconds; nothing that was measured takes so long
# The classes let a style sheet choose colours for dark paper.
SIDES = (
    ("before 前", f'class="before" fill="none" stroke="{DATA}" stroke-width="1.2"', f'class="before" stroke="{DATA}"'),
    ("after 后", f'class="after" fill="{LIMIT}"', f'class="after" stroke="{LIMIT}"'),
)


@dataclass(frozen=True)
class _Scale:
    """Which values a picture shows, and in which unit it writes them."""

    low: float
    high: float

    @property
    def unit(self) -> tuple[float, str]:
        return (1000.0, "ms") if max(abs(self.low), abs(self.high)) < 1 else (1.0, "s")

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - self.low) / (self.high - self.low)


def svg(name: str, pre: Sequence[float], post: Sequence[float] | None) -> str:
    """The picture of both sides, in seconds. A side may be empty; what is no finite number is left out.

    Before a change there is no other side yet: None.
    """
    given = [pre] if post is None else [pre, post]
    sides = [[each for each in side if math.isfinite(each) and abs(each) <= LARGEST] for side in given]
    opening = (
        f'<svg role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" font-family="inherit" font-size="11" fill="{INK}">'
        f"<title>{plain(name)}</title><desc>{plain(alternative(*sides))}</desc>"
    )
    if not any(sides):
        middle = f'x="{WIDTH / 2:g}" y="{HEIGHT / 2:g}" text-anchor="middle"'
        return f"{opening}<text {middle}>no samples 无样本</text></svg>"
    near, far = _near(sides)
    scale = _scale([value for side in near for value in side])
    parts = [*_axis(scale)]
    for row, (label, look, line), mine, beyond in zip(ROWS, SIDES, near, far, strict=False):
        parts.append(f'<text x="{LEFT - 10:g}" y="{row + 4:g}" text-anchor="end">{label}</text>')
        parts += _dots(scale, row, mine, look)
        parts += _median(scale, row, [*mine, *beyond], line)
        if beyond:
            words = f"{len(beyond)} more, up to {time(max(beyond))} →"
            parts.append(f'<text x="{WIDTH - RIGHT:g}" y="{row + 26:g}" text-anchor="end">{plain(words)}</text>')
    return f"{opening}{''.join(parts)}</svg>"


def alternative(*sides: Sequence[float]) -> str:
    """What the picture shows, in words."""
    return "; ".join(f"{side}: {_words(values)}" for side, values in zip(("before", "after"), sides, strict=False))


def time(seconds: float) -> str:
    """A duration as a person reads it."""
    return f"{seconds * 1000:.4g} ms" if abs(seconds) < 1 else f"{seconds:.4g} s"


def _words(values: Sequence[float]) -> str:
    if not values:
        return "no samples"
    count = "1 sample" if len(values) == 1 else f"{len(values)} samples"
    return f"{count}, median {time(median(values))}, from {time(min(values))} to {time(max(values))}"


def _near(sides: Sequence[list[float]]) -> tuple[list[list[float]], list[list[float]]]:
    """The samples that are drawn, and those that lie too far above both medians for that, by side."""
    most = ABOVE * max(median(each) for each in sides if each)
    if most <= 0:
        return list(sides), [[] for _ in sides]
    near = [[value for value in side if value <= most] for side in sides]
    return near, [[value for value in side if value > most] for side in sides]


def _scale(values: Sequence[float]) -> _Scale:
    low, high = min(0.0, *values), max(0.0, *values)  # from zero: what looks twice as long is
    room = 0.06 * (high - low) if high - low > SMALLEST else 1.0
    return _Scale(low - room * (low < 0), high + room)


def _axis(scale: _Scale) -> Iterable[str]:
    factor, unit = scale.unit
    top = ROWS[0] - 22
    for each in ticks(scale.low * factor, scale.high * factor, 1.0):
        x, label = scale.x(each / factor), f"{each:.4g} {unit}"
        yield rule(x, top, x, FLOOR, f'class="grid" stroke="{AXIS}" stroke-width="0.75"')
        if x + len(label) * CHARACTER / 2 < WIDTH:  # else it would be cut
            yield f'<text x="{x:.1f}" y="{FLOOR + 16:g}" text-anchor="middle">{label}</text>'
    yield rule(LEFT, FLOOR, WIDTH - RIGHT, FLOOR, f'stroke="{INK}" stroke-width="0.75"')


def _dots(scale: _Scale, row: float, values: Sequence[float], look: str) -> Iterable[str]:
    """A dot a sample; those of the same place lie below and above each other."""
    taken: dict[int, int] = {}
    for _, value in charts.thinned([(float(place), value) for place, value in enumerate(values)], MOST_DOTS):
        x = scale.x(value)
        place = round(x / (2 * RADIUS))
        count = taken.get(place, 0)
        taken[place] = count + 1
        aside = math.ceil(count / 2) * 2 * RADIUS * (-1) ** count
        y = row + math.fmod(aside, SPREAD)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS:g}" {look}/>'


def _median(scale: _Scale, row: float, values: Sequence[float], line: str) -> Iterable[str]:
    if not values:
        yield f'<text x="{LEFT + 6:g}" y="{row + 4:g}">no samples 无样本</text>'
        return
    middle = median(values)
    x, label = scale.x(middle), f"median {time(middle)}"
    half = len(label) * CHARACTER / 2
    at = min(max(x, LEFT + half), WIDTH - RIGHT - half)
    look = 'text-anchor="middle" font-weight="600"'
    yield rule(x, row - 18, x, row + 18, f'{line} stroke-width="2.5"')
    yield f'<text x="{at:.1f}" y="{row - 22:g}" {look}>{plain(label)}</text>'
