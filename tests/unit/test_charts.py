"""Series of pictures: what thinning must not lose, and that no input makes a picture that lies or breaks the page."""

from __future__ import annotations

import json
import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import charts, drawing
from opsverify.charts import MOST_POINTS, Series, series

DAY = 86400.0
START = 1_790_000_000.0

NUMBERS = st.floats(width=64) | st.sampled_from([0.0, math.nan, math.inf, -math.inf, 5e-324, 1e308])
MOMENTS = st.floats(0, 4e9) | NUMBERS
POINTS = st.lists(st.tuples(MOMENTS, NUMBERS), max_size=900)


def picture(drawn: Series) -> ElementTree.Element:
    """The picture as a browser would read it."""
    return ElementTree.fromstring(drawing.svg(drawn))


def texts(drawn: Series) -> list[str]:
    """All that is written in the picture."""
    return [each.text or "" for each in picture(drawn).iter("text")]


def daily(*values: float) -> list[tuple[float, float]]:
    """One value a day."""
    return [(START + DAY * day, value) for day, value in enumerate(values)]


@given(
    POINTS, POINTS, NUMBERS | st.none(), st.text(max_size=300), st.sampled_from(["bytes", "ratio", "seconds", "<x>"])
)
def test_whatever_it_is_given_it_draws_a_sound_picture_and_a_record_that_gives_the_same(
    points: list[tuple[float, float]], forecast: list[tuple[float, float]], limit: float | None, name: str, unit: str
) -> None:
    drawn = series(name, unit, points, limit, forecast)

    root = picture(drawn)
    assert {each.tag for each in root.iter()} <= {
        "svg", "title", "desc", "line", "text", "path", "circle"
    }  # fmt: skip
    assert "nan" not in drawing.svg(Series("", unit, drawn.points, drawn.limit, drawn.forecast)).lower()
    assert max(len(drawn.points), len(drawn.forecast)) <= MOST_POINTS
    again = charts.of(json.loads(json.dumps(charts.document(drawn), allow_nan=False)))
    assert drawing.figure(again) == drawing.figure(drawn)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=3000), st.integers(8, 500))
def test_thinning_keeps_the_ends_and_the_extremes_in_order_and_makes_nothing_up(values: list[float], most: int) -> None:
    points = daily(*values)

    kept = charts.thinned(points, most)

    assert len(kept) <= most
    assert set(kept) <= set(points)
    assert list(kept) == sorted(kept)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    for extreme in (min, max):
        assert extreme(value for _, value in kept) == extreme(values)


@given(st.integers(1, 2998))
def test_thinning_keeps_a_gap(place: int) -> None:
    values = [1.0] * 3000
    values[place] = math.nan

    assert any(math.isnan(value) for _, value in charts.thinned(daily(*values)))


def test_a_missing_day_interrupts_the_line() -> None:
    points = daily(1, 2, 3, 4, 5, 6)
    path = picture(series("size", "bytes", points[:2] + points[3:])).find("path")

    assert path is not None
    assert path.get("d", "").count("M") == 2
    assert "with gaps in the data" in drawing.alternative(series("size", "bytes", points[:2] + points[3:]))


def test_the_words_give_the_figures_of_the_picture() -> None:
    drawn = series("size", "bytes", daily(2**30, 3 * 2**30, 2**29, 2**31), 4 * 2**30, [(START + 200 * DAY, 5 * 2**30)])

    assert drawing.alternative(drawn) == (
        "2026-09-21 14:13 to 2026-09-24 14:13 UTC: first 1 GiB, last 2 GiB, min 512 MiB, max 3 GiB; "
        "limit 4 GiB; forecast (dashed) 5 GiB on 2027-04-09"
    )


def test_a_limit_is_drawn_and_named_and_one_far_above_is_named_alone() -> None:
    near, far = (series("answers", "seconds", daily(0.4, 0.5), limit) for limit in (2.0, 60.0))

    assert texts(near)[-1] == "limit 2 s"
    assert texts(far)[-1] == "limit 60 s, above this picture ↑"
    dotted = [[each.get("stroke-dasharray") for each in picture(drawn).iter("line")] for drawn in (near, far)]
    assert [each.count("2 3") for each in dotted] == [1, 0]


def test_the_limit_of_a_share_is_drawn_however_far_above_it_is() -> None:
    assert texts(series("CPU", "ratio", daily(0.001, 0.002), 0.6))[-1] == "limit 60 %"


def test_a_line_is_drawn_from_zero_and_a_forecast_with_dashes() -> None:
    drawn = series("size", "bytes", daily(900, 950), None, [(START + DAY, 950), (START + 9 * DAY, 990)])

    assert "0 B" in texts(drawn)
    solid, dashed = picture(drawn).iter("path")
    assert (solid.get("stroke-dasharray"), dashed.get("stroke-dasharray")) == (None, "6 4")


@pytest.mark.parametrize("points", [[], daily(math.nan), [(math.nan, 1.0)], [(-1.0, 1.0)]])
def test_without_data_it_says_so(points: list[tuple[float, float]]) -> None:
    assert texts(series("CPU", "ratio", points, 0.6)) == ["no data 无数据"]
    assert drawing.alternative(series("CPU", "ratio", points, 0.6)) == "no data; limit 60 %"


def test_nothing_in_a_name_acts() -> None:
    drawn = series("</title><script>alert(1)</script>\x1b\u202e", "<b>", daily(1, 2), 3)

    assert "<script" not in drawing.figure(drawn)
    assert "<b>" not in drawing.svg(drawn)
    assert "\x1b" not in drawing.figure(drawn)
    assert "\u202e" not in drawing.figure(drawn)
