"""Series of a picture: what a check saw over time, kept so small that a record can hold it, and honestly.

A picture takes a few hundred points at the most. Thinning keeps the lowest and the highest value of each stretch, so a
peak never falls out of sight, and it keeps the gaps: a stretch without data is a gap in the line, not a straight line
over it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

Point = tuple[float, float]

MOST_POINTS = 400
GAP = 1.5  # a step that is longer than so many usual ones has something missing in it
LARGEST = 1e150  # beyond it, differences overflow; no unit of ours gets near
LAST_MOMENT = 1e11  # in the year 5138; calendars end with 9999


@dataclass(frozen=True)
class Series:
    """Values in ``unit`` by moment (Unix seconds, UTC), ``limit`` if there is one, and what is forecast from them.

    A value that is NaN marks a gap, which is never first or last. Moments ascend.
    """

    name: str
    unit: str
    points: tuple[Point, ...]
    limit: float | None = None
    forecast: tuple[Point, ...] = ()


def series(
    name: str, unit: str, points: Iterable[Point], limit: float | None = None, forecast: Iterable[Point] = ()
) -> Series:
    """A series as a record keeps it: in order, its gaps marked, at most `MOST_POINTS` of each kind of point.

    Any input makes a series: what has no place in time is left out, and what is no number is a gap.
    """
    known = _in_order(points)
    return Series(
        name,
        unit,
        thinned(tuple(_with_gaps(known))),
        limit if limit is not None and _drawable(limit) else None,
        thinned(_in_order(forecast)),
    )


def _in_order(points: Iterable[Point]) -> tuple[Point, ...]:
    placed = [
        (float(moment), float(value) if _drawable(value) else math.nan)
        for moment, value in points
        if 0 <= moment <= LAST_MOMENT
    ]
    placed.sort(key=lambda point: point[0])
    numbers = [place for place, (_, value) in enumerate(placed) if not math.isnan(value)]
    return tuple(placed[numbers[0] : numbers[-1] + 1]) if numbers else ()


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= LARGEST


def _with_gaps(points: Sequence[Point]) -> Iterator[Point]:
    """The points, and a NaN amid each step that is longer than usual."""
    steps = [after - before for (before, _), (after, _) in pairwise(points) if after > before]
    longest = GAP * median(steps) if steps else math.inf
    for (moment, value), (following, _) in pairwise(points):
        yield moment, value
        if following - moment > longest:
            yield (moment + following) / 2, math.nan
    yield from points[-1:]


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> tuple[Point, ...]:
    """At most ``most`` (8 or more) of the points: the first, the last, and of each stretch its extremes and a gap.

    The points stay in order, and none is made up.
    """
    if len(points) <= most:
        return tuple(points)
    inner, stretches = points[1:-1], (most - 2) // 3
    edges = [round(each * len(inner) / stretches) for each in range(stretches + 1)]
    kept = [points[0]]
    for start, end in pairwise(edges):
        kept += _extremes(inner[start:end])
    return (*kept, points[-1])


def _extremes(stretch: Sequence[Point]) -> list[Point]:
    values = [(value, place) for place, (_, value) in enumerate(stretch) if not math.isnan(value)]
    gap = next((place for place, (_, value) in enumerate(stretch) if math.isnan(value)), None)
    places = {min(values)[1], max(values)[1]} if values else set()
    return [stretch[each] for each in sorted(places | ({gap} if gap is not None else set()))]


def document(drawn: Series) -> dict[str, Any]:
    """A series as JSON can hold it; a gap is null."""
    return {
        "name": drawn.name,
        "unit": drawn.unit,
        "points": [_plain(point) for point in drawn.points],
        "limit": drawn.limit,
        "forecast": [_plain(point) for point in drawn.forecast],
    }


def _plain(point: Point) -> list[float | None]:
    moment, value = point
    return [int(moment) if moment.is_integer() else moment, None if math.isnan(value) else value]


def of(entry: Mapping[str, Any]) -> Series:
    """A series out of a record."""
    points, forecast = (
        tuple((float(moment), math.nan if value is None else float(value)) for moment, value in entry[key])
        for key in ("points", "forecast")
    )
    return Series(entry["name"], entry["unit"], points, entry["limit"], forecast)
