"""Scripts that deploy and go back, read: what counts as asking for health, as a rollback, and as none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import unmet
from opsverify.probes.changes import UNTOLD_ARGUMENTS, Deployment, deployment
from opsverify.probes.scripts import Entry, Script
from opsverify.rules import rollback
from opsverify.rules.changes import Former
from opsverify.shell.deploying import Step, bare, steps
from opsverify.shell.facts import Job, Text
from opsverify.shell.runs import Reader
from tests.unit.test_rules_people import DRILL

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEPLOY, BACK = "/opt/deploy.sh", "/opt/rollback.sh"
FOUND = Script(Entry(DEPLOY, "regular file", "root", 0o755), (), "")
SCRIPT = """\
#!/bin/bash
set -e
docker compose up -d api
for i in 1 2 3; do curl -fsS https://api.example/health && exit 0; sleep 1; done
/opt/rollback.sh api
exit 1
"""
BACK_SCRIPT = "#!/bin/sh\ndocker tag app:previous app:latest\ndocker compose up -d app\n"


def read(text: str, others: Mapping[str, str] | None = None, gone: tuple[str, ...] = ()) -> Deployment:
    texts = {DEPLOY: text, BACK: BACK_SCRIPT, **(others or {})}
    kept = {path: Text("shell", each) for path, each in texts.items() if path not in gone}
    reader = Reader({**kept, **{path: Text("missing") for path in gone}})
    reader.job(Job(DEPLOY, f"{DEPLOY} {UNTOLD_ARGUMENTS}"))
    followed = reader.followed()
    told = tuple(each for each in steps(followed, (BACK,), ("api.example",)) if each.script != DEPLOY)
    doubts = tuple(f"{place}: {why}" for place, why in followed.doubts)
    return Deployment(DEPLOY, FOUND, told, len(followed.ran), tuple(each for each in gone if told), doubts)


def judged(found: Deployment) -> str:
    """The findings; what could not be told where it is that."""
    try:
        return "; ".join(map(str, unmet(rollback.gate(found, DRILL, "fail", NOW))))
    except InsufficientFactsError as error:
        return f"ERROR {error}"


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT,
        SCRIPT.replace("/opt/rollback.sh api", 'sudo -u root timeout 60 bash "$(dirname "$0")/rollback.sh" api'),
        SCRIPT.replace("https://api.example/health", "http://localhost:3000/health/"),
        SCRIPT.replace("https://api.example/health", '-H "X-Token: $TOKEN" -o "$(mktemp)" https://api.example/health'),
        SCRIPT.replace("curl -fsS https://api.example/health", "curl -s https://api.example/health | grep -q healthy"),
        SCRIPT.replace("/opt/rollback.sh api", "docker service update --rollback api"),
        SCRIPT.replace("/opt/rollback.sh api", "kubectl -n prod rollout undo deployment/api"),
        SCRIPT.replace("/opt/rollback.sh api", "docker tag app:previous app:latest && docker-compose -f x.yml up -d"),
        "url=https://api.example\nback() { /opt/rollback.sh; }\ntrap back ERR\nset -e\ndocker-compose up -d\n"
        "wget -q -O- $url/health\n",
        "healthy() { curl -sf -m 5 127.0.0.1:3000/health; }\nsystemctl restart api\nhealthy || /opt/rollback.sh\n",
        SCRIPT.replace("docker compose", "docker --context prod compose --env-file a.env -p x"),
    ],
)
def test_a_gate_that_asks_and_goes_back(text: str) -> None:
    assert judged(read(text)) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SCRIPT.replace("/opt/rollback.sh api", "docker-compose rollback"),
            "rollback (/opt/deploy.sh:5)",
        ),
        (SCRIPT.replace("/opt/rollback.sh api", "docker compose -f a.yml rollback"), "commands that do not exist"),
        (SCRIPT.replace("/opt/rollback.sh api", "docker rollback api"), "commands that do not exist"),
        (SCRIPT.replace("/opt/rollback.sh api", "echo rolled back"), "goes back: observed nothing"),
        (SCRIPT.replace("/health", "/metrics"), "asks for health: observed nothing"),
        (SCRIPT.replace("api.example", "status.example"), "asks for health: observed nothing"),
        (SCRIPT.replace("-fsS", "-s -o /dev/null"), "whose failure nobody notices"),
        (SCRIPT.replace("-fsS", "-sI"), "whose failure nobody notices"),
        # The request is there, but before the change; and a rollback that nothing calls.
        (
            "curl -f https://api.example/health\ndocker compose up -d\n/opt/rollback.sh\n",
            "asks for health: observed nothing",
        ),
        (SCRIPT.replace("/opt/rollback.sh api", "back() { /opt/rollback.sh; }"), "goes back: observed nothing"),
        (
            "#!/bin/sh\n/opt/rollback.sh\ndocker compose up -d\ncurl -f localhost/health\n",
            "goes back: observed nothing",
        ),
        ("docker compose up -d\n", "asks for health: observed nothing"),
    ],
)
def test_a_gate_that_does_not(text: str, said: str) -> None:
    told = judged(read(text))
    assert said in told
    assert told


ASK = "curl -fsS https://api.example/health"
UP = "docker compose up -d api\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{ASK} || true\n[ $? = 0 ] || /opt/rollback.sh\n",
        f"{ASK} \\\n  ||\n  :\n[ $? = 0 ] || /opt/rollback.sh\n",
        f"{ASK} || echo unhealthy >&2\n[ $? = 0 ] || /opt/rollback.sh\n",
        f"healthy() {{ {ASK} || true; }}\nhealthy || /opt/rollback.sh\n",
        f"healthy() {{ {ASK}; }}\nhealthy || true\n/opt/rollback.sh\n",
        f"{ASK} | grep -q healthy || true\n/opt/rollback.sh\n",
        f"set -e\n{ASK} | cat\n/opt/rollback.sh\n",
        "wget -qO- https://api.example/health || true\n/opt/rollback.sh\n",
        "curl -s -o /dev/null -H foo:1 -Hfw https://api.example/health || /opt/rollback.sh\n",
        "curl -s -o /dev/null --fail-early https://api.example/health || /opt/rollback.sh\n",
        "curl -s -o /dev/null -w '%{http_code}' https://api.example/health || /opt/rollback.sh\n",
    ],
)
def test_a_request_whose_outcome_is_thrown_away(text: str) -> None:
    assert "whose failure nobody notices" in judged(read(UP + text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"if false; then {ASK}; fi || /opt/rollback.sh\n", "asks for health: observed nothing"),
        (f"if ! true\nthen {ASK}; elif x; then y; fi || /opt/rollback.sh\n", "asks for health: observed nothing"),
        (
            f"if true; then :; elif {ASK}; then :; else {ASK}; fi; /opt/rollback.sh\n",
            "asks for health: observed nothing",
        ),
        (f"while false; do {ASK}; done; /opt/rollback.sh\n", "asks for health: observed nothing"),
        (f"false && {{ sleep 1; {ASK}; }}; /opt/rollback.sh\n", "asks for health: observed nothing"),
        (f"true || {ASK} || /opt/rollback.sh\n", "asks for health: observed nothing"),
        (f"exit 0\n{ASK} || /opt/rollback.sh\n", "asks for health: observed nothing"),
        (f"# {ASK} || /opt/rollback.sh\n", "asks for health: observed nothing"),
        (f"healthy() {{ return 0; {ASK}; }}\nhealthy || /opt/rollback.sh\n", "asks for health: observed nothing"),
        (f"{ASK} || if false; then /opt/rollback.sh; fi\n", "goes back: observed nothing"),
        (f"back() {{ /opt/rollback.sh; }}\n{ASK} || {{ false && back; }}\n", "goes back: observed nothing"),
        (f"{ASK} || helm rollback api --dry-run\n", "goes back: observed nothing"),
    ],
)
def test_what_is_never_reached_is_not_there(text: str, said: str) -> None:
    assert said in judged(read(UP + text))


@pytest.mark.parametrize(
    "text",
    [
        f"if ! {ASK}; then /opt/rollback.sh; exit 1; fi\n",
        f"{ASK} || {{ echo unhealthy; /opt/rollback.sh; exit 1; }}\n",
        f"{ASK} || echo unhealthy && /opt/rollback.sh\n",
        f"if false; then exit 0; else {ASK} || /opt/rollback.sh; fi\n",
        f"while true; do {ASK} && exit 0; sleep 1; [ $((n += 1)) -lt 9 ] || break; done\n/opt/rollback.sh\n",
        f"until false; do {ASK} || /opt/rollback.sh; exit; done\n",
        f'usage() {{ echo no; exit 1; }}\n[ -n "$1" ] || usage\n{ASK} || /opt/rollback.sh\n',
        f"( exit 0 )\nset -o pipefail\n{ASK} | tee log || /opt/rollback.sh\n",
        "code=$(curl -so /dev/null -w '%{http_code}' https://api.example/health || echo 000)\n"
        '[ "$code" = 200 ] || /opt/rollback.sh\n',
        f"healthy() {{ {ASK}; return $?; }}\nhealthy || /opt/rollback.sh\nexit 1\n",
        f"{ASK} || helm rollback api --dry-run=none\n",
        f"! false && {ASK} || /opt/rollback.sh\n",
        f"false || [[ -n $x ]] && {ASK} || /opt/rollback.sh\n",
        f"true || [[ -n $x ]] && {ASK} || /opt/rollback.sh\n",
        f"if false; then exit; fi; {ASK} || /opt/rollback.sh\n",
    ],
)
def test_a_gate_written_otherwise_still_counts(text: str) -> None:
    assert judged(read(UP + text)) == ""


def test_how_a_request_ended_may_be_looked_at_later() -> None:
    for text in (f"{ASK} & wait $! || /opt/rollback.sh\n", f"body=$({ASK} || true)\n[ x ] || /opt/rollback.sh\n"):
        assert "let curl --fail tell" in judged(read(UP + text))


def test_a_rollback_that_is_not_there_or_does_nothing() -> None:
    assert "/opt/rollback.sh (there is no such script)" in judged(read(SCRIPT, gone=(BACK,)))
    assert "which changes nothing" in judged(read(SCRIPT, {BACK: "#!/bin/sh\nexit 0\n"}))
    assert "docker-compose rollback" in judged(read(SCRIPT, {BACK: "#!/bin/sh\ndocker-compose rollback\n"}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SCRIPT.replace("curl -fsS", "body=$(curl -s").replace("health &&", "health) &&"), "let curl --fail tell"),
        (SCRIPT.replace("https://api.example/health", '"$1"'), "let curl --fail tell"),
        (SCRIPT.replace("/opt/rollback.sh api", "TAG=previous docker compose up -d api"), "put it into a script"),
        (SCRIPT.replace("/opt/rollback.sh api", '"$ROLLBACK" api'), "nothing is seen to go back"),
        (SCRIPT.replace("docker compose up -d api", "true"), "nothing in it is known to change what runs"),
    ],
)
def test_what_cannot_be_told_is_an_error(text: str, said: str) -> None:
    told = judged(read(text))
    assert told.startswith("ERROR ")
    assert said in told


def test_a_gate_needs_its_script_and_its_drill() -> None:
    assert "script /opt/deploy.sh: observed none" in judged(Deployment(DEPLOY, None))
    found = rollback.gate(read(SCRIPT), None, "fail", NOW)
    assert [str(each) for each in unmet(found)] == ["attestation: observed none, expected there is one"]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_any_words_are_read(words: list[str]) -> None:
    bare(words)
    reader = Reader({})
    reader.job(Job("x", "curl " + " ".join(words)))
    assert all(isinstance(each, Step) for each in steps(reader.followed(), (BACK,), ("api.example",)))


IMAGE = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "former", "said"),
    [
        (BACK_SCRIPT, (Former("CHG-2", "api", IMAGE),), ""),
        ("#!/bin/sh\nexit 0\n", (Former("CHG-2", "api", IMAGE),), "goes back by: observed nothing"),
        ("docker-compose rollback", (Former("CHG-2", "api", IMAGE),), "commands that do not exist"),
        (BACK_SCRIPT, (Former("CHG-2", "api", f"sha256:{'b' * 64}"),), "gone, expected on the host, for CHG-2"),
        (BACK_SCRIPT, (Former("CHG-2", "api", None),), "observed none named by CHG-2 or before it"),
        (BACK_SCRIPT, (), "change carried out on this host: observed none on record"),
    ],
)
def test_the_way_back_by_hand(text: str, former: tuple[Former, ...], said: str) -> None:
    seen = rollback.at_hand(read(text), former, {IMAGE: True, f"sha256:{'b' * 64}": False}, "fail")
    told = "; ".join(map(str, unmet(seen)))
    assert said in told
    assert bool(said) == bool(told)


def test_a_rollback_script_that_cannot_be_run_is_not_at_hand() -> None:
    found = replace(read(BACK_SCRIPT), found=replace(FOUND, entry=replace(FOUND.entry, mode=0o644)))
    seen = unmet(rollback.at_hand(found, (Former("CHG-2", "api", IMAGE),), {IMAGE: True}, "fail"))
    assert [str(each) for each in seen] == [f"mode of {DEPLOY}: observed 0644, expected executable"]


def test_the_labs_own_scripts_are_read_on_a_host(local: Host, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "lab/images/node/scripts"
    for name in ("deploy.sh", "rollback.sh", "engine.sh"):
        text = (source / name).read_text(encoding="utf-8").replace("/opt/tokenswap/scripts", str(tmp_path))
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    there = str(tmp_path / "rollback.sh")
    found = deployment(local, str(tmp_path / "deploy.sh"), (there,), ("api.tokenswap.io",))
    assert found.found is not None
    assert found.found.syntax == ""
    assert judged(found) == ""
    back = deployment(local, there, (there,), ())
    assert unmet(rollback.at_hand(back, [Former("C", "api", IMAGE)], {IMAGE: True}, "fail")) == []
    kept = Path(found.path).read_text(encoding="utf-8")
    call = f'{there} "$service"'
    for old, new, said in (
        (" && return 0", " || true", "whose failure nobody notices"),
        (call, f"if false; then {call}; fi", "goes back: observed nothing"),
    ):
        assert kept.count(old) == 1
        Path(found.path).write_text(kept.replace(old, new), encoding="utf-8")
        assert said in judged(deployment(local, found.path, (there,), ("api.tokenswap.io",)))
    Path(found.path).write_text(kept, encoding="utf-8")
    Path(there).unlink()
    assert "there is no such script" in judged(deployment(local, found.path, (there,), ("api.tokenswap.io",)))
