"""Bad input ends in one clear line, before anything is asked or created."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.small_project import (
    Project,
    entries,
)
from tests.unit.test_attestations import ENTRY
from tests.unit.test_baseline import WHOLE as BASELINE
from tests.unit.test_waivers import ENTRY as WAIVER


def spoil(path: str, old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.change(path, old, new)


def keep(path: str, text: str) -> Callable[[Project], None]:
    return lambda project: project.write(path, text)


CATALOGUE, CHECK, TEST = "checks/health/requirements.toml", "checks/health/test_it.py", "profiles/test/profile.toml"
WAIVERS = "profiles/test/waivers.toml"
MINE = WAIVER.replace("HLT-MEM-01", "TST-PASS-01").replace('"node"', '"one"')
LIMIT = '[limits.TST-PASS-01]\nused = {}\n[[hosts]]\nname = "one"'


SPOILT: tuple[tuple[Callable[[Project], None], str], ...] = (
    (spoil(CHECK, '"TST-PASS-01", ', '"TST-PASS-01", "TST-PSAS-01", '), "'TST-PSAS-01' is not in the catalogue"),
    (spoil(CHECK, '"TST-PASS-01", ', ""), "TST-PASS-01 has no check"),
    (spoil(CATALOGUE, 'target = "host"', 'target = "host"\nplanned = true'), ": planned: unknown key"),
    (spoil(CHECK, "def test_it", '@pytest.mark.requirement("TST-PASS-01")\ndef test_it'), "already has its check"),
    (spoil(CHECK, "def test_it", "def ("), "checks/health/test_it.py: not readable as Python"),
    (spoil(CATALOGUE, 'severity = "high"', 'severity = "urgent"'), "severity: Input should be 'critical'"),
    (spoil(CATALOGUE, 'target = "host"', 'target = "cache"'), "has no cache to verify TST-PASS-01 on"),
    (spoil(TEST, 'name = "one"', 'nmae = "one"'), "profiles/test/profile.toml: hosts.0."),
    (spoil(TEST, 'name = "one"', "name = 1"), "hosts.0.name: Input should be a valid string (got 1)"),
    (spoil(TEST, "TEST_SECRET", "TEST_NONE"), "databases.pg.password: environment variable TEST_NONE is not set"),
    (spoil(TEST, '[[hosts]]\nname = "one"', LIMIT.format(0.9)), "0.9 is looser than the manual"),
    (spoil(TEST, '[[hosts]]\nname = "one"', LIMIT.format('"0.1"')), "expected a number of ratio"),
    (spoil(TEST, "2999", "1999"), "not_applicable TST-NA-01: expired on 1999-01-01"),
    (spoil(TEST, "TST-NA-01", "TST-NO-01"), "not_applicable: 'TST-NO-01' is not in the catalogue"),
    (spoil(TEST, '"TST-NA-01"', '"TST-NA-01"\ntarget = "tow"'), "no target 'tow' (it applies to: one, two)"),
    (keep("profiles/test/roster.toml", "by = 1"), "profiles/test/roster.toml: by: Input should be a valid string"),
    (keep("profiles/test/attestations.toml", ENTRY), "attestations.toml: attestation.0.requirement: 'CON-PHONE-01' is"),
    (keep("profiles/test/baseline.toml", BASELINE.replace("2026", "2999")), "baseline.toml: taken: 2999-11-02 is in"),
    (keep(WAIVERS, WAIVER), "profiles/test/waivers.toml: waiver.0.requirement: 'HLT-MEM-01' is not in the catalogue"),
    (keep(WAIVERS, MINE.replace("Aylin Demir", "jonas BRANDT")), "waiver.0: approved_by: 'jonas BRANDT' requested it"),
    (keep(WAIVERS, MINE.replace("2026", "2025").replace("2027", "2025")), "waiver.0: expires: 2025-01-30 is before"),
    (keep(WAIVERS, MINE.replace("2026", "2001").replace("2027", "2002")), "on one expired on 2002-01-30; review it"),
    (keep(WAIVERS, MINE.replace("2027", "2999")), "days after it was created, expected at most 90 days"),
    (keep(WAIVERS, MINE.replace("2026", "2998").replace("2027", "2999")), "created: 2998-11-01 is in the future"),
    (
        keep(WAIVERS, MINE.replace('"one"', '"three"')),
        "waiver.0.subject: no host 'three' in the profile (it has: one, t",
    ),
    (
        keep(WAIVERS, MINE * 2),
        "waiver.1.subject: TST-PASS-01 on one is waived by waiver.0 (TST-PASS-01 on one) already",
    ),
    (keep(WAIVERS, MINE + "["), "profiles/test/waivers.toml: not readable as TOML"),
    (
        spoil(TEST, "[[hosts]]", "program = { waiver_days = 367 }\n[[hosts]]"),
        "program.waiver_days: Input should be less",
    ),
)


@pytest.mark.parametrize(("spoil_it", "said"), SPOILT, ids=[said for _, said in SPOILT])
def test_bad_input_ends_in_one_clear_line_and_creates_nothing(
    project: Project, spoil_it: Callable[[Project], None], said: str
) -> None:
    spoil_it(project)
    found = project.run()
    assert found.status == pytest.ExitCode.USAGE_ERROR, found.output
    (line,) = [each for each in found.output.splitlines() if each.strip()]
    assert line.startswith("ERROR: ")
    assert said in line
    assert not (project.root / "reports").exists()


@pytest.mark.parametrize(
    ("profile", "said"), [(None, "choose which with --profile NAME (there are: test)"), ("tset", "there are: test")]
)
def test_a_profile_has_to_be_chosen(project: Project, profile: str | None, said: str) -> None:
    found = project.run(profile=profile)
    assert found.status == pytest.ExitCode.USAGE_ERROR
    assert said in found.output
    assert not (project.root / "reports").exists()


@pytest.mark.parametrize(("value", "origin"), [(0.7, "manual"), (0.9, "default")])
def test_a_limit_may_be_tightened_and_the_suites_own_set_freely(project: Project, value: float, origin: str) -> None:
    project.write("checks/health/requirements.toml", entries("TST-PASS-01", "TST-NA-01", origin=origin))
    project.change("profiles/test/profile.toml", '[[hosts]]\nname = "one"', LIMIT.format(value))
    found = project.run()
    assert found.status == 0, found.output
    (row,) = [each for each in found.results["coverage"] if each["requirement"] == "TST-PASS-01"]
    assert row["limits"][0]["expected"] == f"at most {value}"
