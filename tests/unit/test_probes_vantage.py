"""A blackbox exporter that looks when it is asked: its configuration, what it exposes, and what comes instead."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.vantage import NEEDED, Module, View, parse_module, parse_probe

Captured = Callable[[str], str]
GOOD = {"probe_success": "1", "probe_http_status_code": "200", "probe_duration_seconds": "0.25", "probe_http_ssl": "1"}


def exposed(**change: str | None) -> str:
    return "".join(f"{name} {value}\n" for name, value in (GOOD | change).items() if value is not None)


def module(http: Any = None, prober: Any = "http") -> str:
    # JSON is YAML, and what a person writes by hand is of the same shape.
    return json.dumps({"modules": {"other": {"prober": "icmp"}, "m": {"prober": prober, "http": http}}})


READS = {"fail_if_body_not_matches_regexp": ["ok"]}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("health", Module(True, True, "")),  # insecure_skip_verify: false is written out
        ("plain", Module(False, True, "")),
        ("insecure", Module(True, False, "")),
        ("forbids", Module(False, True, "")),  # fail_if_body_matches_regexp: an empty body would do
        ("404", Module(False, True, "")),  # names that YAML would take for a number or for yes are texts here
        ("on", Module(False, True, "")),
    ],
)
def test_a_module_of_a_real_exporter(captured: Captured, name: str, told: Module) -> None:
    assert parse_module(captured("blackbox-config.yaml"), name) == told


@pytest.mark.parametrize("name", ["ssh_banner", "ping", "nosuch", "", "True", "Health", "health ", "modules"])
def test_a_module_that_asks_no_web_server_or_is_not_there_is_named(captured: Captured, name: str) -> None:
    with pytest.raises(UnansweredError, match=rf"^/config: no module '{name}' of the kind http in it$"):
        parse_module(captured("blackbox-config.yaml"), name)


@pytest.mark.parametrize(
    ("http", "told"),
    [
        ("", Module(False, True, "")),
        ({}, Module(False, True, "")),
        (READS, Module(True, True, "")),
        ({"fail_if_body_not_matches_regexp": []}, Module(False, True, "")),
        (READS | {"tls_config": ""}, Module(True, True, "")),
        (READS | {"tls_config": {}}, Module(True, True, "")),
        (READS | {"tls_config": {"insecure_skip_verify": False}}, Module(True, True, "")),
        (READS | {"tls_config": {"insecure_skip_verify": True}}, Module(True, False, "")),
        # Without types a text is what it looks like; whatever is not false is taken for the worst.
        (READS | {"tls_config": {"insecure_skip_verify": "False"}}, Module(True, True, "")),
        (READS | {"tls_config": {"insecure_skip_verify": "no"}}, Module(True, False, "")),
        (READS | {"tls_config": {"insecure_skip_verify": None}}, Module(True, False, "")),
        (READS | {"tls_config": {"server_name": "b.example"}}, Module(True, True, "b.example")),
        (READS | {"tls_config": {"server_name": ""}}, Module(True, True, "")),
        (READS | {"insecure_skip_verify": True}, Module(True, True, "")),  # not where it counts
        (READS | {"server_name": "b.example"}, Module(True, True, "")),
        ({"tls_config": READS}, Module(False, True, "")),
    ],
)
def test_what_a_module_is_content_with(http: Any, told: Module) -> None:
    assert parse_module(module(http), "m") == told


@pytest.mark.parametrize(
    ("pattern", "reads"),
    [
        ('"status": ?"(healthy|ok)"', True),
        ('"healthy"', True),
        ("^ok$", True),
        ("(?i)OK", True),
        ('"status": ?"healthy', True),
        (".*", False),
        ("", False),
        ("^", False),
        ("(?s).+", False),
        ("^$", False),
        ("status", False),
        ("healthy", False),  # unhealthy has it too
        ("unhealthy", False),
        ('"status": ".*"', False),
        (r"^\{", False),
        ("(", False),
        ("[", False),
        (r"\pL", False),  # of RE2, which Python cannot compile
        (r"\Qok\E", False),
        (r"\z", False),
        ("ok(?i)", False),
    ],
)
def test_a_pattern_that_an_unhealthy_body_matches_reads_nothing(pattern: str, reads: bool) -> None:
    http = {"fail_if_body_not_matches_regexp": [pattern]}
    assert parse_module(module(http), "m") == Module(reads, True, "")


def test_one_pattern_of_several_is_enough() -> None:
    # The exporter wants each of them to match.
    http = {"fail_if_body_not_matches_regexp": [".*", "(", '"healthy"']}
    assert parse_module(module(http), "m").reads_body


def test_a_pattern_that_repeats_too_often_reads_nothing() -> None:
    assert not parse_module(module({"fail_if_body_not_matches_regexp": ["x{4294967296}"]}), "m").reads_body


def test_a_class_of_characters_that_python_does_not_know_reads_nothing() -> None:
    assert not parse_module(module({"fail_if_body_not_matches_regexp": ["[[:alpha:]]"]}), "m").reads_body


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "7",
        "m",
        "[]",
        "- modules",
        "modules:",
        "modules: []",
        "modules: [m]",
        "modules: m",
        "modules: {m: }",
        "modules: {m: [prober, http]}",
        "modules: {m: {http: {}}}",
        "m: {prober: http}",
        module({}, "tcp"),
        module({}, ["http"]),
        module({}, "HTTP"),
        module(None),  # a null that is written out is the text null
        module({"tls_config": None}),
        module("fail_if_body_not_matches_regexp"),
        module([READS]),
        module({"tls_config": ["insecure_skip_verify"]}),
        module({"tls_config": "insecure_skip_verify"}),
        f"---\n---\n{module()}",
        module()[:-1],
        "<!DOCTYPE html>\n<html><title>Log in</title></html>",
        "404 page not found\n",
        "modules: !!python/object/apply:subprocess.check_output [[id]]",
        "modules: {m: !!python/name:os.system }",
        "a: 2020-13-45",
        "a: " + "9" * 5000,
        "a: \x00",
        "a: \ud800",
        "a: &x [*x]",
        "modules: &x {m: *x}",
        "? [a]\n: b",
        "<<: 1",
        "\t",
        "[" * 2_000,
        "{a: " * 20_000,
        "- " * 20_000,
        "? " * 20_000,
    ],
)
def test_what_is_no_configuration_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^/config: no module 'm' of the kind http in it$"):
        parse_module(text, "m")


@pytest.mark.parametrize(
    "text",
    [
        "modules: {m: {prober: http}, x: !!python/object/apply:os.system [id]}",
        "modules: {m: !unknown {prober: http}}",
        "modules: {m: {prober: !!python/name:os.system http}}",
        "modules: {m: {prober: http}, 2020-13-45: 2020-13-45}",
    ],
)
def test_tags_and_types_of_a_configuration_mean_nothing(text: str) -> None:
    assert parse_module(text, "m") == Module(False, True, "")


def test_no_tag_of_a_configuration_makes_python_do_anything(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for tag in ("python/object/apply:os.mkdir", "python/object/new:os.mkdir", "python/object/apply:builtins.open"):
        with pytest.raises(UnansweredError):
            parse_module(f"modules: {{m: !!{tag} ['{trace}', 'w']}}", "m")
    assert not trace.exists()


def test_a_configuration_that_names_one_thing_many_times_is_read_once() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{each}: &a{each} [{f'*a{each - 1},' * 10}]\n" for each in range(1, 30))
    begun = time.process_time()  # without sharing these would be 10 ** 29 things
    assert parse_module(f"{text}\nmodules: {{m: {{prober: http}}}}", "m") == Module(False, True, "")
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("levels", [12, 40])
@pytest.mark.parametrize("where", ["modules: {m: {prober: http}}", "modules: {m: *last}", "modules: {m: {<<: *last}}"])
def test_keys_that_are_merged_again_and_again_are_not_merged(levels: int, where: str) -> None:
    text = "a0: &a0 {prober: http}\n" + "".join(
        f"a{each}: &a{each} {{<<: [{', '.join([f'*a{each - 1}'] * 10)}]}}\n" for each in range(1, levels + 1)
    )
    begun = time.process_time()  # with merging these would be 10 ** 12 keys
    with contextlib.suppress(UnansweredError):
        assert parse_module(text + where.replace("last", f"a{levels}"), "m") == Module(False, True, "")
    assert time.process_time() - begun < 0.5


def test_a_merged_key_is_no_key_of_the_module() -> None:
    text = "x: &x {prober: http}\nmodules: {m: {<<: *x}}"
    with pytest.raises(UnansweredError):
        parse_module(text, "m")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ok", (True, 200, 0.003276765, True)),
        ("body", (False, 200, 0.002829629, True)),
        ("503", (False, 503, 0.003395912, True)),
        ("refused", (False, 0, 0.000589417, False)),
        ("noname", (False, 0, 0.00149535, False)),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_look_of_a_real_exporter(
    captured: Captured, name: str, told: tuple[bool, int, float, bool], trusted: bool
) -> None:
    assert parse_probe(captured(f"blackbox-probe-{name}.txt"), trusted=trusted) == View(*told, trusted)


def test_a_look_by_another_prober_has_no_status(captured: Captured) -> None:
    with pytest.raises(UnansweredError, match=r"^/probe: KeyError 'probe_http_status_code'"):
        parse_probe(captured("blackbox-probe-tcp.txt"), trusted=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, (True, 200, 0.25)),
        ({"probe_success": "0"}, (False, 200, 0.25)),
        ({"probe_success": "NaN"}, (False, 200, 0.25)),
        ({"probe_success": "2"}, (False, 200, 0.25)),
        ({"probe_success": "-1"}, (False, 200, 0.25)),
        ({"probe_success": "+Inf"}, (False, 200, 0.25)),
        ({"probe_success": "1.0"}, (True, 200, 0.25)),
        ({"probe_success": "0", "probe_http_status_code": "0"}, (False, 0, 0.25)),
        ({"probe_http_status_code": "503"}, (True, 503, 0.25)),
        ({"probe_http_status_code": "2e+02"}, (True, 200, 0.25)),
        ({"probe_duration_seconds": "+Inf"}, (True, 200, math.inf)),
        ({"probe_duration_seconds": "9.5"}, (True, 200, 9.5)),
        ({"go_goroutines": "NaN"}, (True, 200, 0.25)),
    ],
)
def test_only_one_is_a_success(change: dict[str, str], told: tuple[bool, int, float]) -> None:
    assert parse_probe(exposed(**change), trusted=True) == View(*told, tls=True, trusted=True)


@pytest.mark.parametrize(("ssl", "tls"), [("1", True), ("0", False), ("NaN", False), ("2", False), ("+Inf", False)])
def test_only_one_is_tls(ssl: str, tls: bool) -> None:
    assert parse_probe(exposed(probe_http_ssl=ssl), trusted=True).tls is tls


def test_a_duration_that_is_no_number_stays_none() -> None:
    assert math.isnan(parse_probe(exposed(probe_duration_seconds="NaN"), trusted=True).seconds)


@pytest.mark.parametrize("name", NEEDED)
def test_a_family_that_every_look_leaves_is_named_when_it_is_missing(name: str) -> None:
    for text in (exposed(**{name: None}), exposed(**{name: None, f"{name}_total": "1"})):
        with pytest.raises(UnansweredError, match=rf"^/probe: KeyError '{name}'"):
            parse_probe(text, trusted=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# HELP probe_success x\n# TYPE probe_success gauge\n",
        'Unknown module "m"\n',
        "Target parameter is missing\n",
        "<html><body>probe_success 1</body></html>",
        f"<!DOCTYPE html>\n{exposed()}",
        f"{exposed()}half a line",
        f"{exposed()}{{",
        f'{exposed()}x{{a="',
        f"{exposed()}x{{a=b}} 1\n",
        f"{exposed()}# TYPE x nonsense\n",
        f"{exposed()}\x00",
        exposed(probe_success="yes"),
        exposed(probe_success=""),
        exposed(probe_success="0x1"),
        exposed(probe_http_status_code="NaN"),
        exposed(probe_http_status_code="+Inf"),
        exposed(probe_http_status_code="-Inf"),
        exposed(probe_http_status_code="OK"),
        exposed(probe_duration_seconds="0,25"),
        "x{" * 50_000,
        'x{a="' * 20_000,
        "x" * 1_000_000,
        json.dumps(GOOD),
    ],
)
def test_what_is_no_look_is_an_error_in_a_few_words(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^/probe: ") as error:
        parse_probe(text, trusted=True)
    if len(text) < 10_000:
        assert len(str(error.value)) < 500


PIECES = st.sampled_from(["modules", "m", ": ", "\n", "  ", "{", "}", "[", "]", "- ", "&a ", "*a", "!", "|", "'", "#"])


@given(st.text(max_size=60) | st.lists(PIECES, max_size=14).map("".join))
def test_hostile_configurations_are_an_error_never_a_crash(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_module(text, "m")


LINES = st.lists(
    st.sampled_from([*NEEDED, " ", "1", "NaN", "\n", "# TYPE ", "{", "}", 'a="b"', ",", "\\"]), max_size=16
)


@given(st.text(max_size=60) | LINES.map("".join))
def test_hostile_looks_are_a_look_or_an_error_never_a_crash(text: str) -> None:
    with contextlib.suppress(UnansweredError):
        found = parse_probe(text, trusted=True)
        kinds = (type(found.success), type(found.status), type(found.seconds), type(found.tls))
        assert kinds == (bool, int, float, bool)
