"""Change and incident records: what is well-formed, and the one line for what is not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from opsverify import changes, documents, incidents
from opsverify.catalogue import Catalogue
from opsverify.errors import UsageError
from opsverify.profile import load

DIGEST = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
CHANGE = f"""
id = "CHG-2026-0042"
class = "standard"
reason = "performance"
summary = "An index for the list of swaps"
areas = ["performance"]

[request]
number = "OPS-1812"
by = "Jonas Brandt"
at = 2026-11-20T09:00:00Z

[assessment]
impact = "Writes to swaps are a little slower while the index is built"
risk = "The build takes longer than the window"
by = "Jonas Brandt"
at = 2026-11-20T10:00:00Z

[test]
environment = "staging"
passed = true
result = "Built in 40 s, the plan uses it"
by = "Jonas Brandt"
at = 2026-11-20T15:00:00Z
artefact = "evidence/CHG-2026-0042-test.txt"
sha256 = "{DIGEST}"

[approval]
by = "Aylin Demir"
at = 2026-11-21T08:00:00+01:00

[window]
from = 2026-11-22T02:00:00Z
to = 2026-11-22T03:00:00Z

[execution]
by = "Jonas Brandt"
from = 2026-11-22T02:05:00Z
to = 2026-11-22T02:10:00Z

[verification]
passed = true
result = "P95 fell from 0.4 s to 0.1 s"
by = "Jonas Brandt"
at = 2026-11-22T02:30:00Z

[documentation]
commit = "8fd82e9e11f4"

[rollback]
plan = "DROP INDEX CONCURRENTLY"
script = "/opt/tokenswap/scripts/rollback.sh"

[[running]]
service = "tokenswap-api"
image = "sha256:{DIGEST}"
config = {{ "/etc/tokenswap/app.env" = "{DIGEST}" }}

[[expected]]
what = "indexes of swap.swaps"
from = "3"
to = "4"
"""
FILE = "profiles/test/changes/CHG-2026-0042.toml"
INCIDENT = """
id = "INC-2026-0007"
severity = "critical"
alert = "APIDown"
labels = { service = "tokenswap-api" }
started = 2026-11-20T09:00:00Z
ended = 2026-11-20T09:30:00Z
root_cause = "A full disk"
prevention = "Logs have a quota"

[acknowledged]
by = "Jonas Brandt"
at = 2026-11-20T09:03:00Z

[impact]
services = "tokenswap-api"
users = "all"
data = "none"

[plan]
name = "API restart"
by = "Jonas Brandt"
at = 2026-11-20T09:05:00Z

[[notified]]
team = "support"
at = 2026-11-20T09:06:00Z

[[timeline]]
at = 2026-11-20T09:03:00Z
by = "Jonas Brandt"
what = "Took it on"

[[fixes]]
what = "A quota for logs"
owner = "Jonas Brandt"
due = 2026-12-01
"""


def test_a_change_with_every_step() -> None:
    change = changes.parse(CHANGE, FILE)
    assert change.class_ == "standard"
    assert change.execution is not None
    assert change.done == change.execution.end
    assert change.running[0].config == {"/etc/tokenswap/app.env": DIGEST}
    assert change.expected[0].after == "4"


def test_steps_that_were_not_taken_are_absent() -> None:
    text = 'id = "CHG-1"\nclass = "emergency"\nreason = "recovery"\nsummary = "x"\n'
    change = changes.parse(text, "CHG-1.toml")
    assert (change.approval, change.done, change.running) == (None, None, [])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("CHG-2026-0042", "CHG-2026-0043", "id: 'CHG-2026-0043' belongs in a file CHG-2026-0043.toml"),
        ('class = "standard"', 'class = "big"', "class: Input should be 'emergency', 'standard' or 'routine'"),
        ("at = 2026-11-20T09:00:00Z", "at = 2026-11-20T09:00:00", "request.at: Input should have timezone info"),
        ("at = 2026-11-20T09:00:00Z", "at = 1026-11-20T09:00:00Z", "request.at: expected a year from 2000 to 2999"),
        ("to = 2026-11-22T03:00:00Z", "to = 2026-11-22T02:00:00Z", "window: to: expected later than from"),
        ('commit = "8fd82e9e11f4"', "", "documentation: expected either commit or none_needed"),
        ("evidence/CHG", "../CHG", "test.artefact: expected a path inside the folder of this file"),
        ("[rollback]", "[roll-back]", "roll-back: unknown key"),
    ],
)
def test_what_is_not_well_formed_gets_one_line(old: str, new: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        changes.parse(CHANGE.replace(old, new, 1), FILE)
    assert str(raised.value).startswith(FILE)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_areas_are_chapters(tmp_path: Path, demands: Catalogue) -> None:
    """The areas of a routine change say which checks it takes, so a slip of the pen must not take some away."""
    root = Path(__file__).parents[2]
    loaded = load("staging", root, today=date(2026, 11, 23), secrets=False)
    kept = documents.of(loaded, root)._replace(changes=tmp_path)
    (tmp_path / "CHG-2026-0042.toml").write_text(CHANGE, encoding="utf-8")
    assert len(documents.read(kept, loaded, demands, date(2026, 11, 23)).changes) == 1
    (tmp_path / "CHG-2026-0042.toml").write_text(CHANGE.replace('["performance"]', '["perfomance"]'), encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"CHG-2026-0042\.toml: areas: 'perfomance' is no chapter \(there are: alerting, backup, "
    ):
        documents.read(kept, loaded, demands, date(2026, 11, 23))


def test_an_incident_with_all_that_belongs_to_it() -> None:
    incident = incidents.parse(INCIDENT, "incidents/INC-2026-0007.toml")
    assert incident.acknowledged is not None
    assert (incident.acknowledged.at - incident.started).total_seconds() == 180


def test_an_incident_does_not_end_before_it_began() -> None:
    text = INCIDENT.replace("ended = 2026-11-20T09:30:00Z", "ended = 2026-11-20T08:30:00Z")
    with pytest.raises(UsageError, match="ended: expected not before started"):
        incidents.parse(text, "incidents/INC-2026-0007.toml")
