"""The mapping of requirements to controls: whole, nothing unknown in it, and the same either way."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from opsverify import cli
from opsverify.catalogue import Catalogue
from opsverify.errors import UsageError
from opsverify.evidence import controls, exporting, formats, showing
from opsverify.record import STATES
from tests.unit import published
from tests.unit.format_cases import entry, record, source
from tests.unit.small_project import Project

ROOT = Path(__file__).parents[2]

SMALL = """
[framework.soc2]
name = "SOC 2"
name_zh = "SOC 2"
controls = { "CC6.1" = { title = "Access", title_zh = "访问" }, "A1.2" = { title = "Backup", title_zh = "备份" } }

[framework.iso27001]
name = "ISO"
name_zh = "ISO"
controls = { "A.8.13" = { title = "Backup", title_zh = "备份" } }

[framework.mlps]
name = "MLPS"
name_zh = "等保"
controls = { "8.1.4.9" = { title = "Backup", title_zh = "备份" } }

[[mapping]]
why = "Both"
why_zh = "两者"
requirements = ["TST-ONE-01", "TST-TWO-01"]
soc2 = ["A1.2"]
iso27001 = ["A.8.13"]
mlps = ["8.1.4.9"]

[[mapping]]
why = "One"
why_zh = "其一"
requirements = ["TST-ONE-01"]
soc2 = ["CC6.1"]

[[none]]
framework = "soc2"
requirements = ["TST-THREE-01"]
reason = "nothing asks"
reason_zh = "无要求"

[[none]]
framework = "iso27001"
requirements = ["TST-THREE-01"]
reason = "nothing asks"
reason_zh = "无要求"

[[none]]
framework = "mlps"
requirements = ["TST-THREE-01"]
reason = "nothing asks"
reason_zh = "无要求"
"""
KNOWN = ("TST-ONE-01", "TST-TWO-01", "TST-THREE-01")


@pytest.fixture(scope="module")
def small() -> controls.Controls:
    return controls.read(SMALL, KNOWN, "controls.toml")


def test_the_mapping_of_the_catalogue_is_whole(demands: Catalogue) -> None:
    mapping = controls.load(ROOT / "checks", demands)
    assert list(mapping.frameworks) == list(controls.FRAMEWORKS) == list(showing.FRAMEWORKS)
    assert len(demands) == 131
    for requirement in demands:
        for framework in controls.FRAMEWORKS:
            assert bool(mapping.of(requirement, framework)) != any(mapping.reason(requirement, framework)), requirement


def test_some_mappings_that_auditors_look_for(demands: Catalogue) -> None:
    mapping = controls.load(ROOT / "checks", demands)

    def of(requirement: str) -> set[str]:
        return {each.id for each in mapping.of(requirement)}

    assert {"A1.2", "A.8.13", "8.1.4.9"} <= of("BAK-INTEG-01")
    assert {"A1.3", "A.8.13", "8.1.4.9"} <= of("BP-BAK-02")
    assert {"CC8.1", "A.8.32", "8.1.10.10"} <= of("CHG-APPR-01")
    assert {"CC6.3", "A.8.2", "8.1.4.2"} <= of("BP-SEC-02")
    assert {"CC6.6", "A.8.20", "8.1.3.2"} <= of("SEC-FW-01")
    assert {"CC7.1", "A.8.8", "8.1.10.5"} <= of("SEC-UPD-01")


# How many controls each group of a framework has: 61 criteria, 93 controls, 71 clauses of level 3.
LISTS = {
    "soc2": {
        **{"CC1": 5, "CC2": 3, "CC3": 4, "CC4": 2, "CC5": 3, "CC6": 8, "CC7": 5, "CC8": 1, "CC9": 2, "A1": 3, "C1": 2},
        **{"PI1": 5, "P1": 1, "P2": 1, "P3": 2, "P4": 3, "P5": 2, "P6": 7, "P7": 1, "P8": 1},
    },
    "iso27001": {"A.5": 37, "A.6": 8, "A.7": 14, "A.8": 34},
    "mlps": {f"8.1.{at}": count for at, count in enumerate((10, 3, 6, 11, 4, 4, 5, 4, 10, 14), 1)},
}


def exists(framework: str, control: str) -> bool:
    group, _, number = control.rpartition(".")
    return number in map(str, range(1, LISTS[framework].get(group, 0) + 1))


def test_the_lists_of_controls_are_as_long_as_those_of_the_frameworks() -> None:
    assert [sum(groups.values()) for groups in LISTS.values()] == [61, 93, 71]
    assert exists("mlps", "8.1.10.14")
    assert [exists(*each) for each in (("mlps", "8.1.2.4"), ("iso27001", "A.7.15"), ("soc2", "A1.4"))] == [False] * 3


def test_controls_are_in_order_and_titles_short_and_in_both_languages(demands: Catalogue) -> None:
    frameworks = controls.load(ROOT / "checks", demands).document["frameworks"]
    for name in LISTS:
        ids = list(frameworks[name]["controls"])
        assert [each for each in ids if not exists(name, each)] == []
        if name != "soc2":  # whose availability comes after its common criteria
            assert ids == sorted(ids, key=lambda each: [int(part) for part in re.findall(r"\d+", each)])
        for each in frameworks[name]["controls"].values():
            assert len(each["title"]) <= 60
            assert re.search("[\u4e00-\u9fff]", each["title_zh"])


def test_every_reason_is_one_line_in_both_languages() -> None:
    data = tomllib.loads((ROOT / "checks/controls.toml").read_text(encoding="utf-8"))
    for each in data["mapping"] + data["none"]:
        text, chinese = each.get("why", each.get("reason")), each.get("why_zh", each.get("reason_zh"))
        assert len(text) <= 140
        assert text.endswith(".")
        assert "\n" not in text + chinese
        assert re.search("[\u4e00-\u9fff]", chinese)


def spoilt(change: dict[str, Any]) -> str:
    """The small mapping with something else in it: ``{"mapping.0.soc2": [...]}``."""
    data: Any = tomlkit.parse(SMALL)
    for path, value in change.items():
        *way, last = path.split(".")
        there = data
        for step in way:
            there = there[int(step) if step.isdigit() else step]
        if value is None:
            del there[last]
        else:
            there[last] = value
    return tomlkit.dumps(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mapping.0.requirements": ["TST-ONE-01", "TST-NONE-01"]}, "TST-NONE-01: no such requirement in the catalo"),
        ({"none.0.requirements": ["TST-NONE-01"]}, "TST-NONE-01: no such requirement in the catalogue"),
        ({"mapping.1.soc2": ["CC9.9"]}, "soc2 CC9.9: no such control in framework.soc2.controls"),
        ({"mapping.1.soc2": ["A1.2"]}, "TST-ONE-01: mapped to soc2 A1.2 twice"),
        ({"mapping.1.soc2": ["CC6.1", "CC6.1"]}, "TST-ONE-01: mapped to soc2 CC6.1 twice"),
        ({"mapping.0.requirements": ["TST-ONE-01"]}, "TST-TWO-01: has no control of soc2; map it, or say why in a"),
        ({"none.1.requirements": ["TST-TWO-01"]}, "TST-TWO-01: has controls of iso27001, and is declared to have none"),
        ({"none.1.framework": "soc2"}, "TST-THREE-01: declared to have none of soc2 twice"),
        ({"none.1.framework": "pci"}, "none.1.framework: "),
        ({"mapping.1.soc2": ["A1.2"], "mapping.0.soc2": ["CC6.1"]}, None),
        ({"mapping.1.soc2": None}, "names no control of soc2, iso27001, mlps"),
        ({"mapping.1.why": " "}, "mapping.1.why: "),
        ({"mapping.1.pci": ["1.2"]}, "mapping.1.pci: unknown key"),
        ({"none.0.reason": None}, "none.0.reason: "),
        ({"framework.soc2.controls": {}}, "framework.soc2.controls: "),
        ({"framework.mlps": None}, "framework.mlps: "),
    ],
)
def test_what_is_wrong_is_one_line_with_its_key(change: dict[str, Any], message: str | None) -> None:
    if message is None:
        controls.read(spoilt(change), KNOWN, "checks/controls.toml")
        return
    with pytest.raises(UsageError) as raised:
        controls.read(spoilt(change), KNOWN, "checks/controls.toml")
    assert str(raised.value).startswith("checks/controls.toml: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_control_without_a_requirement_is_refused() -> None:
    text = SMALL.replace('"A.8.13" = {', '"A.8.14" = { title = "x", title_zh = "余" }, "A.8.13" = {')
    with pytest.raises(UsageError, match=re.escape("iso27001 A.8.14: no requirement is mapped to it")):
        controls.read(text, KNOWN, "f")


def test_without_a_file_there_is_no_mapping(tmp_path: Path) -> None:
    mapping = controls.load(tmp_path, KNOWN)
    assert mapping.frameworks == {}
    assert mapping.of("TST-ONE-01") == ()


@pytest.mark.parametrize(("content", "message"), [(b"[", "not readable as TOML"), (b"\xff", "cannot be read")])
def test_a_file_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "controls.toml").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        controls.load(tmp_path, KNOWN)


def test_a_requirement_gives_its_controls_with_the_reason_of_each(small: controls.Controls) -> None:
    found = small.of("TST-ONE-01")
    assert [(each.framework, each.id, each.why, each.why_zh) for each in found] == [
        ("soc2", "CC6.1", "One", "其一"),
        ("soc2", "A1.2", "Both", "两者"),
        ("iso27001", "A.8.13", "Both", "两者"),
        ("mlps", "8.1.4.9", "Both", "两者"),
    ]
    assert [each.id for each in small.of("TST-TWO-01", "soc2")] == ["A1.2"]
    assert small.reason("TST-THREE-01", "mlps") == ("nothing asks", "无要求")
    assert small.reason("TST-ONE-01", "mlps") == ("", "")


def test_a_record_orders_its_results_by_control(small: controls.Controls) -> None:
    document = record(
        entry("pass", "TST-TWO-01"),
        entry("fail", "TST-ONE-01", "one"),
        entry("pass", "TST-ONE-01", "two"),
        entry("error", "TST-THREE-01"),
        mapping=small,
    )
    found = controls.by_control("soc2", json.loads(json.dumps(document)))
    assert [(each.control.id if each.control else None, each.requirements, each.states) for each in found] == [
        ("CC6.1", ("TST-ONE-01",), {"fail": 1, "pass": 1}),
        ("A1.2", ("TST-TWO-01", "TST-ONE-01"), {"fail": 1, "pass": 2}),
        (None, ("TST-THREE-01",), {"error": 1}),
    ]
    assert controls.controls_of("TST-TWO-01", document) == small.of("TST-TWO-01")
    with pytest.raises(UsageError, match="framework 'pci': unknown"):
        controls.by_control("pci", document)
    with pytest.raises(UsageError, match="the record has no mapping"):
        controls.by_control("soc2", record(entry()))


@given(
    st.lists(st.tuples(st.sampled_from(KNOWN), st.sampled_from(STATES)), max_size=8),
    st.sampled_from(controls.FRAMEWORKS),
)
def test_no_check_is_lost_on_the_way_to_the_controls(found: list[tuple[str, Any]], framework: str) -> None:
    small = controls.read(SMALL, KNOWN, "f")
    entries = [entry(state, name, f"t{at}") for at, (name, state) in enumerate(found)]
    sections = controls.by_control(framework, record(*entries, mapping=small))
    shown = [each["target"] for section in sections for each in section.checks]
    assert set(shown) == {each["target"] for each in entries}
    for each in entries:
        assert shown.count(each["target"]) == max(1, len(small.of(each["requirement"], framework)))
    assert all(sum(section.states.values()) == len(section.checks) > 0 for section in sections)


def test_formats_name_the_controls(small: controls.Controls) -> None:
    told = source(entry(requirement="TST-ONE-01"), mapping=small)
    (event,) = published.ocsf(formats.FORMATS["ocsf"].render(told))
    assert event["unmapped"]["serves"] == ["soc2:CC6.1", "soc2:A1.2", "iso27001:A.8.13", "mlps:8.1.4.9"]
    assert event["compliance"]["standards"] == ["Operations manual"], "a pass is no pass of ISO's"
    assert event["compliance"]["requirements"] == ["TST-ONE-01"]
    (result,) = published.oscal(formats.FORMATS["oscal"].render(told))["results"]
    served = [(each["class"], each["value"]) for each in result["findings"][0]["props"] if each["name"] == "serves"]
    assert served == [("soc2", "CC6.1"), ("soc2", "A1.2"), ("iso27001", "A.8.13"), ("mlps", "8.1.4.9")]
    statement = published.intoto(formats.FORMATS["intoto"].render(told))
    assert "controls.toml" in [each["name"] for each in statement["predicate"]["configuration"]]


# ---- the command line


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: controls.Controls) -> Path:
    """A project with a run in it; the current directory is the project's."""
    for folder in ("checks", "profiles", "reports/lab/run"):
        (tmp_path / folder).mkdir(parents=True)
    document = record(entry("fail", "TST-ONE-01"), entry("error", "TST-THREE-01", title="\x1b[2J"), mapping=small)
    run = tmp_path / "reports/lab/run"
    (run / "results.json").write_text(json.dumps(document), encoding="utf-8")
    sealed = run.with_name("sealed")
    (sealed / "a").mkdir(parents=True)
    (sealed / "SHA256SUMS").touch()
    monkeypatch.chdir(tmp_path)
    return run


def test_the_controls_of_a_run_are_listed_by_its_own_mapping(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["controls", "--framework", "iso27001", str(kept)]) == 0
    said = capsys.readouterr().out
    assert "A.8.13  Backup 备份\n    TST-ONE-01       Disk has room  [✗ fail 1]" in said
    assert r"TST-THREE-01     \x1b[2J – nothing asks  [? error 1]" in said
    assert "not that a control is met" in said


def test_nothing_of_a_record_acts_on_the_terminal(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((kept / "results.json").read_text(encoding="utf-8"))
    iso = document["controls"]["frameworks"]["iso27001"]
    iso |= {"name": "I\x1b[2J", "controls": {"A.8.13": {"title": "B\n\x1b]0;x\x07", "title_zh": "\u202e"}}}
    document["checks"][0]["title"] = "room\nA.8.15  Logging"
    (kept / "results.json").write_text(json.dumps(document), encoding="utf-8")
    assert cli.main(["controls", "--framework", "iso27001", str(kept)]) == 0
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "\nA.8.15" not in said, "no line is forged"


def test_a_control_that_a_run_has_no_check_of_is_not_left_out(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((kept / "results.json").read_text(encoding="utf-8"))
    document["checks"] = []
    (kept / "results.json").write_text(json.dumps(document), encoding="utf-8")
    assert cli.main(["controls", "--framework", "soc2", str(kept)]) == 0
    assert "CC6.1  Access 访问\n    TST-ONE-01       Disk has room  [no check in this run]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checks": [{}]}, "run/results.json: is no record of a run: checks.0.requirement: "),
        ({"controls": 3}, "run/results.json: is no record of a run: controls: "),
        ({"controls": {"frameworks": {}, "mappings": []}}, "run/results.json: is no record of a run: controls.none: "),
    ],
)
def test_a_record_that_is_none_is_one_line(
    kept: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    document = json.loads((kept / "results.json").read_text(encoding="utf-8")) | change
    (kept / "results.json").write_text(json.dumps(document), encoding="utf-8")
    assert cli.main(["controls", "--framework", "soc2", str(kept)]) == 64
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_the_controls_of_the_catalogue_are_listed_without_a_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(["controls", "--framework", "mlps"]) == 0
    said = capsys.readouterr().out
    assert "8.1.10.10  Management of changes 变更管理\n    CHG-CLASS-01     Every change has a fitting class\n" in said


def test_without_any_mapping_the_listing_says_so(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = record(entry())
    (kept / "results.json").write_text(json.dumps(document), encoding="utf-8")
    (kept.parents[2] / "checks/health").mkdir()
    (kept.parents[2] / "checks/health/requirements.toml").write_text(
        (ROOT / "checks/health/requirements.toml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    assert cli.main(["controls", "--framework", "soc2", str(kept)]) == 64
    assert "checks/controls.toml: is not there" in capsys.readouterr().err


@pytest.mark.parametrize("name", exporting.FORMATS)
def test_a_run_is_exported(kept: Path, capsysbinary: pytest.CaptureFixture[bytes], name: str) -> None:
    assert set(exporting.FORMATS) == set(formats.FORMATS)
    before = {each: each.read_bytes() for each in kept.iterdir()}
    assert cli.main(["export", str(kept), "--format", name]) == 0
    shown = capsysbinary.readouterr().out.decode("utf-8")
    assert cli.main(["export", str(kept), "--format", name, "-o", "out"]) == 0
    assert Path("out").read_text(encoding="utf-8") == shown == formats.render(name, kept, Path.cwd())
    assert {each: each.read_bytes() for each in kept.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "reports/lab/run", "--format", "junit", "-o", "reports/lab/run/x"], "lies inside the run run, w"),
        (["export", "reports/lab/run", "--format", "oscal", "-o", "reports/lab/sealed/a/x"], "inside the run sealed, "),
        (
            ["export", "reports/lab/run", "--format", "junit", "-o", "nowhere/x"],
            "nowhere/x: cannot be written: No such",
        ),
        (["export", "reports", "--format", "junit"], "reports/results.json: cannot be read"),
        (["export", "reports/lab/run", "--format", "pdf"], "invalid choice: 'pdf'"),
        (["controls", "--framework", "pci"], "invalid choice: 'pci'"),
    ],
)
def test_wrong_use_is_one_line(
    kept: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.main(arguments) == 64
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


# ---- a run


def test_a_run_takes_the_mapping_along(project: Project) -> None:
    mapping = re.sub(r"TST-(ONE|TWO)-01", lambda each: {"ONE": "TST-PASS-01", "TWO": "TST-NA-01"}[each[1]], SMALL)
    project.write("checks/controls.toml", mapping[: mapping.index("[[none]]")])
    outcome = project.run()
    assert outcome.status == 0, outcome.output
    (section, _) = controls.by_control("soc2", outcome.results)
    assert section.control is not None
    assert (section.control.id, section.requirements) == ("CC6.1", ("TST-PASS-01",))
    assert outcome.results["controls"]["file"] == "checks/controls.toml"


def test_a_wrong_mapping_stops_a_run_before_anything_is_asked(project: Project) -> None:
    project.write("checks/controls.toml", SMALL)
    outcome = project.run()
    assert outcome.status == 4
    assert outcome.directory is None
    assert "checks/controls.toml: TST-ONE-01: no such requirement in the catalogue" in outcome.output
