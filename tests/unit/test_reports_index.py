"""The pages that list runs: complete, escaped, quick, and never fatal to a run."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsverify import pages
from opsverify.record import STATES
from opsverify.reports import index, summaries
from tests.unit.small_project import Project, single

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOSTILE = "</td><script>alert(1)</script>\"'&amp; \x1b[31m \u202egnirts \ud800"
XHTML = {"nbsp": "\u00a0"}


def document(
    start: datetime = NOON, *, verdict: str = "met", selection: str = "", counts: Mapping[str, int] | None = None
) -> dict[str, Any]:
    counted = {state: (counts or {}).get(state, 0) for state in STATES}
    return {
        "run": {
            "id": "0a0a0a0a",
            "purpose": "daily",
            "change": "CHG-7",
            "start": start.isoformat(),
            "duration_s": 12.5,
            "selection": selection,
            "partial": counted["not-tested"] > 0,
            "verdict": verdict,
        },
        "waivers": {"entries": []},
        "population": {"total": sum(counted.values()), "states": counted, "reconciled": True},
        "checks": [{"requirement": "X", "message": '\n "checks": [', "state": "pass"}] * 30,
    }


def put(stream: Path, start: datetime = NOON, content: dict[str, Any] | str | None = None, **more: Any) -> Path:
    directory = stream / f"{start:%Y%m%dT%H%M%SZ}-{int(start.timestamp()) % 2**32:08x}"
    directory.mkdir(parents=True)
    found = document(start, **more) if content is None else content
    text = found if isinstance(found, str) else json.dumps(found, indent=1)
    (directory / "results.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    return directory


def gate(stream: Path, change: str = "CHG-7", verdict: str = "NO-GO") -> None:
    directory = stream / "gates" / change / "20261123T120000Z-0a0a0a0a-post"
    directory.mkdir(parents=True)
    found = {"change": change, "phase": "post", "summary": "s", "start": NOON.isoformat(), "verdict": verdict}
    (directory / "gate.json").write_text(json.dumps({**found, "reasons": [{"verdict": "GO"}]}, indent=1))


def parsed(page: str) -> ET.Element:
    return ET.fromstring(page.partition("<!DOCTYPE html>")[2])


def test_runs_are_listed_newest_first_with_what_they_came_to(tmp_path: Path) -> None:
    stream = tmp_path / "prod"
    put(stream, NOON, counts={"pass": 90, "fail": 0, "waived": 2})
    later = put(stream, NOON + timedelta(hours=1), verdict="not met", counts={"fail": 3, "error": 1, "pass": 88})
    for name in ("SHA256SUMS", "SHA256SUMS.sig", "report.html"):
        (later / name).write_text("")
    signed = stream / f"{later.name}.signoffs"
    signed.mkdir()
    (signed / "20261123T140000Z-0c0c0c0c.json").write_text("{}")
    gate(stream)
    pages = index.write(tmp_path)
    assert pages == [stream / "index.html", tmp_path / "index.html"]
    page = (stream / "index.html").read_text(encoding="utf-8")
    rows = parsed(page).findall(".//table[@class='runs']/tbody/tr")
    texts = [" ".join("".join(each.itertext()).split()) for each in rows]
    assert "13:00:00 UTC" in texts[0]
    assert "✗ Does not meet the manual 不符合手册" in texts[0]
    assert "✗ 3 fail ? 1 error ✓ 88 pass" in texts[0]
    assert "signed, not verified here" in texts[0]
    assert "sign-offs 审阅签署: 1" in texts[0]
    assert "CHG-7" in texts[0]
    assert "? Meets the manual" in texts[1]
    assert "– unsealed" in texts[1]
    assert [each.get("href") for each in rows[0].iter("a")] == [
        f"./{later.name}/report.html",
        f"./{later.name}/results.json",
    ]
    gates = parsed(page).findall(".//table[@class='gates']/tbody/tr")
    assert "✗ NO-GO 否决" in " ".join("".join(gates[0].itertext()).split())
    lines = {each.get("class"): each.get("points") for each in parsed(page).iter("polyline") if each.get("points")}
    assert set(lines) == {"fail", "error", "waived"}
    assert "<script" not in page


def sealed(directory: Path) -> Path:
    for name in ("SHA256SUMS", "SHA256SUMS.sig"):
        (directory / name).write_text("")
    return directory


SHOWN: list[tuple[dict[str, Any], str, str]] = [
    ({"counts": {"pass": 9}}, "good", "✓ Meets the manual"),
    ({"counts": {"pass": 9, "waived": 1}, "verdict": "met under 1 waiver"}, "good", "✓ Meets the manual"),
    ({"counts": {"pass": 3, "not-tested": 6}, "selection": "-k a"}, "unsure", "– What was tested meets the manual"),
    ({"counts": {"pass": 8, "error": 1}, "verdict": "undetermined"}, "unsure", "? Could not be determined"),
    ({"counts": {"pass": 8, "fail": 1}, "verdict": "not met"}, "bad", "✗ Does not meet the manual"),
    ({"counts": {"pass": 8, "fail": 1}}, "unsure", "does not add up"),
    ({"counts": {"pass": 8, "error": 1}}, "unsure", "does not add up"),
    ({"counts": {}}, "unsure", "does not add up"),
]


@pytest.mark.parametrize(("more", "look", "said"), SHOWN)
def test_only_a_whole_sealed_run_that_meets_the_manual_is_shown_as_good(
    tmp_path: Path, more: dict[str, Any], look: str, said: str
) -> None:
    sealed(put(tmp_path / "prod", NOON, **more))
    seen = summaries.stream(tmp_path / "prod")
    assert index.verdict(seen.runs[0])[0] == look
    for page in (index.stream_page(seen), index.front_page([seen])):
        assert said in page
        assert page.count('class="good"') == (look == "good")


def test_the_front_page_tells_what_its_newest_verdict_does_not(tmp_path: Path) -> None:
    directory = put(tmp_path / "prod", NOON, counts={"pass": 9})
    (directory / "SHA256SUMS").write_text("")
    (tmp_path / "prod" / "20261123T150000Z-0d0d0d0d").mkdir()
    page = index.front_page([summaries.stream(tmp_path / "prod")])
    assert "✗ unsigned" in page
    assert "! unfinished" in page
    assert "This page verifies nothing" in page


def test_a_run_that_was_withheld_in_part_or_does_not_add_up_is_not_shown_as_good(tmp_path: Path) -> None:
    stream = tmp_path / "prod"
    first = sealed(put(stream, NOON, counts={"pass": 9}))
    (first / "redactions.json").write_text(json.dumps({"withheld": [{"file": "junit.xml"}, {"file": "junit.xml"}]}))
    odd = document(counts={"pass": 9})
    odd["population"]["reconciled"] = False
    sealed(put(stream, NOON + timedelta(hours=1), odd))
    put(stream, NOON + timedelta(hours=2), counts={"pass": 9})
    seen = summaries.stream(stream)
    assert seen.runs[0].seal == "unsealed"
    assert [index.verdict(each)[0] for each in seen.runs] == ["unsure", "unsure", "unsure"]
    page = index.stream_page(seen)
    assert "withheld, for it held a secret" in page
    assert "does not add up" in page


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"run": 5}', "\x00", '{\n "run": {},\n "checks": [', "[" * 100_000, "\ud800"],
)
def test_what_is_damaged_is_named_and_stops_nothing(tmp_path: Path, content: str) -> None:
    stream = tmp_path / "prod"
    put(stream, NOON, counts={"pass": 1})
    bad = put(stream, NOON + timedelta(hours=1), content)
    (stream / "20261123T150000Z-0d0d0d0d").mkdir()
    (stream / "somebody's notes").mkdir()
    (stream / "latest").symlink_to("x")
    (stream / "20261123T160000Z-0d0d0d0d").symlink_to("x")
    seen = summaries.stream(stream)
    assert len(seen.runs) == 1
    assert [each.partition(":")[0] for each in seen.damaged] == [bad.name]
    assert seen.unfinished == ("20261123T150000Z-0d0d0d0d",)
    assert sorted(seen.foreign) == ["20261123T160000Z-0d0d0d0d", "somebody's notes"]
    page = index.stream_page(seen)
    parsed(page)
    assert f"{bad.name}: results.json" in page


def test_hostile_text_reaches_no_page_unescaped(tmp_path: Path) -> None:
    stream = tmp_path / "prod"
    hostile = document(selection=HOSTILE, counts={"pass": 1})
    hostile["run"] |= {"change": HOSTILE, "purpose": HOSTILE}
    put(stream, NOON, hostile)
    assert summaries.stream(stream).runs, "what is damaged does not come to the page"
    (stream / "<b>bad<b>\n\u202e").mkdir()
    gate(stream, "CHG<x>&'", HOSTILE)
    for lang in pages.LANGUAGES:
        index.write(tmp_path, lang=lang)
        for page in (stream / "index.html", tmp_path / "index.html"):
            text = page.read_text(encoding="utf-8")
            assert parsed(text).get("lang") == lang
            assert "<script" not in text
            assert not set("\x1b\u202e\ud800") & set(text)
            assert "<b>bad" not in text


def test_a_trend_is_of_whole_runs_alone(tmp_path: Path) -> None:
    stream = tmp_path / "prod"
    for hour in range(100):
        put(
            stream,
            NOON + timedelta(hours=hour),
            selection="-k one" if hour % 4 == 3 else "",
            counts={"fail": hour, "pass": 1},
            verdict="not met",
        )
    found = index.trend(summaries.stream(stream).runs)
    assert found is not None
    assert found.runs == index.MOST_POINTS
    (fails,) = [each for each in found.lines if each.state == "fail"]
    assert fails.last == 98
    assert len(fails.points.split(" ")) == index.MOST_POINTS
    assert index.trend(()) is None


def test_each_run_writes_the_pages_anew(tmp_path: Path) -> None:
    project = single(tmp_path)
    for count in (1, 2):
        outcome = project.run()
        assert outcome.status == 0, outcome.output
        page = (tmp_path / "reports" / "test" / "index.html").read_text(encoding="utf-8")
        assert len(parsed(page).findall(".//table[@class='runs']/tbody/tr")) == count
        assert outcome.directory is not None
        assert outcome.directory.name in page
    assert ">test</a>" in (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")


def test_pages_that_cannot_be_written_do_not_unmake_a_run(tmp_path: Path) -> None:
    project: Project = single(tmp_path)
    (tmp_path / "reports" / "index.html").mkdir(parents=True)
    outcome = project.run()
    assert outcome.status == 0, outcome.output
    assert "its pages cannot be written: Is a directory" in outcome.output


@pytest.mark.slow
def test_two_thousand_runs_are_listed_in_seconds(tmp_path: Path) -> None:
    stream = tmp_path / "prod"
    for hour in range(2000):
        found = document(NOON + timedelta(hours=hour), counts={"pass": 185, "fail": hour % 5})
        found["checks"] *= 40
        put(stream, NOON + timedelta(hours=hour), found)
    begun = time.process_time()
    index.write(tmp_path)
    assert time.process_time() - begun < 10
