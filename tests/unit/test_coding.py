"""Every channel's way back from what the transcript holds to what was judged: the two are inverse, whatever came."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsverify.channels import coding, document, history, ledger, names, shell, tls, web
from opsverify.channels.coding import Coding
from opsverify.ledger import Ledger, Verdict
from opsverify.past_runs import History, PastRun
from opsverify.redaction import Redactor
from tests.unit.conftest import Authority

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ZONES = st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=40)
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.datetimes(timezones=ZONES)
    | st.uuids()
    | st.ip_addresses()
)
VALUES = st.recursive(
    SCALARS,
    lambda some: (
        st.lists(some, max_size=4) | st.dictionaries(TEXT, some, max_size=4) | st.lists(some, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


def there_and_back(of: Coding[Any], value: Any) -> Any:
    """Through JSON, as in the file."""
    assert of.decode is not None
    return of.decode(json.loads(json.dumps(of.encode(value), ensure_ascii=False)))


def frame(stream: int, said: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(said).to_bytes(4, "big") + said


FRAMED = st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=300)), max_size=4).map(
    lambda found: b"".join(frame(*each) for each in found)
)


@given(st.binary() | TEXT.map(str.encode) | FRAMED | st.tuples(FRAMED, st.binary(max_size=12)).map(b"".join))
@example(rb"\xff and \\" + b"\xff")
@example(b"\\\\x41\xc3")
@example(frame(1, b"token=abcdef\n") + b"200")
@example(b"\x01\0\0\0\0\0")
def test_bytes_come_back(data: bytes) -> None:
    assert there_and_back(shell.RESULT, (0, data, data)) == (0, data, data)


def test_a_line_of_a_megabyte_comes_back_with_and_without_bytes_that_are_no_text() -> None:
    for data in (b"x" * 1_000_000, b"x" * 1_000_000 + b"\xff"):
        assert there_and_back(shell.RESULT, (0, data, b"")) == (0, data, b"")


def test_a_frame_in_which_something_was_masked_is_still_a_frame() -> None:
    data = frame(1, b"token=abcdefghijklmnop\xff\n") + frame(2, "ü".encode()) + b"200"
    masked = coding.unspell(Redactor().value(coding.spell(data)))
    assert masked == frame(1, b"token=[redacted]\n") + frame(2, "ü".encode()) + b"200"


@given(st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=4))
def test_rows_come_back(rows: list[dict[str, Any]]) -> None:
    assert there_and_back(coding.ROWS, rows) == rows


def test_types_of_rows_come_back() -> None:
    row = {"a": Decimal("1.50"), "b": dt.datetime(2026, 11, 23, tzinfo=dt.UTC), "c": dt.date(2026, 11, 23), "d": True}
    (again,) = there_and_back(coding.ROWS, [row])
    assert [type(each) for each in again.values()] == [type(each) for each in row.values()]
    assert str(there_and_back(coding.ROWS, [{"a": float("nan")}])[0]["a"]) == "nan"


def test_what_has_no_form_is_told_and_not_guessed() -> None:
    with pytest.raises(TypeError, match="a set has no form in the transcript"):
        coding.VALUES.encode({1})


@given(VALUES)
def test_values_come_back(value: Any) -> None:
    assert there_and_back(coding.VALUES, value) == value


@given(st.integers(100, 599), st.dictionaries(TEXT, TEXT), TEXT, FINITE)
def test_http_answers_come_back(status: int, headers: dict[str, str], text: str, seconds: float) -> None:
    answer = web.Answer(status, headers, text, seconds)
    assert there_and_back(web.ANSWER, answer) == answer


@given(st.none() | TEXT)
def test_documents_come_back(text: str | None) -> None:
    assert there_and_back(document.TEXT, text) == text


@given(st.lists(TEXT).map(tuple))
def test_names_come_back(found: tuple[str, ...]) -> None:
    assert there_and_back(names.EXCHANGERS, found) == found


@given(TEXT)
def test_verdicts_of_clients_come_back(why_not: str) -> None:
    assert there_and_back(tls.VERDICT, why_not) == why_not


def test_handshakes_come_back(authority: Authority) -> None:
    lines = authority.issue("api.example").read_text(encoding="ascii").split("-----")
    leaf = base64.b64decode(lines[lines.index("BEGIN CERTIFICATE") + 1])
    shaken = tls.Handshake("TLSv1.3", "TLS_AES_256_GCM_SHA384", leaf)
    assert there_and_back(tls.HANDSHAKE, shaken) == shaken
    assert there_and_back(tls.IF_OFFERED, shaken) == shaken
    assert there_and_back(tls.IF_OFFERED, None) is None


RUNS = st.builds(
    PastRun, FINITE, st.dictionaries(st.tuples(TEXT, TEXT), st.dictionaries(TEXT, FINITE, min_size=1), max_size=3)
)


@given(st.lists(RUNS, max_size=3), st.lists(TEXT, max_size=3), st.integers(0, 99))
def test_past_runs_come_back(runs: list[PastRun], damaged: list[str], left_out: int) -> None:
    found = History(tuple(runs), tuple(damaged), left_out)
    assert there_and_back(history.HISTORY, found) == found


NAMES = st.text("abc/ü ", min_size=1).map(str.strip).filter(bool)
VERDICTS = st.builds(
    Verdict,
    store=st.just("nightly"),
    path=NAMES,
    size=st.integers(0, 2**64 - 1),
    mtime_ns=st.integers(-(2**63) + 1, 2**63 - 1),
    ctime_ns=st.integers(-(2**63) + 1, 2**63 - 1),
    inode=st.integers(0, 2**64 - 1),
    sha256=st.just("a" * 64),
    whole=st.booleans(),
    as_written=st.booleans(),
    read=st.datetimes(timezones=st.just(dt.UTC)),
)


@given(st.lists(VERDICTS, max_size=4), st.lists(st.integers(1, 99), max_size=3))
def test_ledgers_come_back(verdicts: list[Verdict], malformed: list[int]) -> None:
    found = Ledger({(each.store, each.path): each for each in verdicts}, tuple(malformed))
    assert there_and_back(ledger.of_store("nightly"), found) == found


@given(st.text() | st.from_regex(r'"Env":\["[^"]*"(,"[^"]*")*\]|password[:=] ?\S+|\w+://u:p\w*@h', fullmatch=True))
def test_what_was_masked_once_is_not_masked_otherwise_again(text: str) -> None:
    once = Redactor().text(text)
    assert Redactor().text(once) == once
