"""Profiles are validated in full, in one clear line, before anything is contacted."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from opsverify.errors import UsageError
from opsverify.profile import LoadedProfile, load

TODAY = date(2026, 11, 23)
WHOLE = """
name = "test"
description = "d"
[[hosts]]
name = "node"
connection = "local://"
[[services]]
name = "api"
role = "api"
host = "node"
[[services]]
name = "redis"
role = "redis"
host = "node"
[[databases]]
name = "pg"
address = "127.0.0.1:${TEST_PORT:-5432}"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
[[backups]]
name = "nightly"
host = "node"
database = "/b"
manifest = "/SUMS"
sensitive = ["/s"]
base = "/base"
wal = "/wal"
provider = "us"
production = { provider = "us" }
[[not_applicable]]
requirement = "ABC-01"
target = "node"
reason = "r"
approved_by = "a"
expires = 2026-11-23
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "hunter22")
    monkeypatch.delenv("TEST_PORT", raising=False)


def load_text(tmp_path: Path, text: str) -> LoadedProfile:
    folder = tmp_path / "profiles" / "test"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.toml").write_text(text, encoding="utf-8")
    return load("test", tmp_path, today=TODAY)


def test_a_profile_is_loaded_with_its_secrets_and_digest(tmp_path: Path) -> None:
    found = load_text(tmp_path, WHOLE)
    assert found.profile.databases[0].address == "127.0.0.1:5432"
    assert found.secrets["databases.pg"].get_secret_value() == "hunter22"
    assert re.fullmatch("[0-9a-f]{64}", found.digest)
    assert "hunter22" not in repr(found)


def test_a_profile_can_be_named_by_its_file(tmp_path: Path) -> None:
    load_text(tmp_path, WHOLE)
    file = tmp_path / "profiles" / "test" / "profile.toml"
    assert load(str(file), Path("/"), today=TODAY).profile.name == "test"


def test_environment_variables_stand_in_for_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PORT", "15432")
    assert load_text(tmp_path, WHOLE).profile.databases[0].address == "127.0.0.1:15432"


def test_a_store_of_backups_has_a_zone_and_a_bound(tmp_path: Path) -> None:
    (found,) = load_text(tmp_path, WHOLE).profile.backups
    assert (found.timezone, found.timeout_s) == ("UTC", 600)
    (found,) = load_text(tmp_path, WHOLE.replace("/SUMS", '/SUMS"\ntimezone = "Europe/Berlin')).profile.backups
    assert found.timezone == "Europe/Berlin"


def test_targets_of_a_role_are_told_apart(tmp_path: Path) -> None:
    profile = load_text(tmp_path, WHOLE).profile
    assert [each.name for each in profile.targets("service")] == ["api", "redis"]
    assert [each.name for each in profile.targets("service.redis")] == ["redis"]
    assert profile.targets("service.nginx") == []
    assert profile.targets("alertmanager") == []


def test_an_exemption_holds_for_its_target_alone(tmp_path: Path) -> None:
    profile = load_text(tmp_path, WHOLE).profile
    assert profile.exemption("ABC-01", "node") is not None
    assert profile.exemption("ABC-01", "other") is None
    assert profile.exemption("ABC-02", "node") is None


def test_an_exemption_without_target_holds_for_all(tmp_path: Path) -> None:
    profile = load_text(tmp_path, WHOLE.replace('target = "node"\n', "")).profile
    assert profile.exemption("ABC-01", "other") is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('description = "d"', 'description = "d"\ncolour = 1', "colour: unknown key"),
        ('description = "d"', "description = 3", "description: Input should be a valid string (got 3)"),
        ('description = "d"\n', "", "description: Field required"),
        ('"local://"', '"telnet://x"', "hosts.0.connection: expected one of local://…, ssh://…"),
        ('"local://"', '"local"', "hosts.0.connection: expected one of local://…"),
        ('"local://"', '"local://"\ntimeout_s = 0', "hosts.0.timeout_s: Input should be greater than 0 (got 0)"),
        ('"local://"', '"local://"\ntimeout_s = 1000', "hosts.0.timeout_s: Input should be less than or equal to 300"),
        ('"local://"', '"local://"\ndocker_api = "http://8.8.8.8:1"', "hosts.0.docker_api: String should match"),
        (':-5432}"', ':-none}"', "databases.0.address: expected host:port"),
        (':-5432}"', ':-65536}"', "databases.0.address: expected host:port"),
        (':-5432}"', '}"', "databases.0.address: environment variable TEST_PORT is not set"),
        ('{ env = "TEST_SECRET" }', '"hunter22"', "databases.0.password: Input should be a valid dictionary"),
        ('env = "TEST_SECRET"', 'env = "NO_SUCH"', "databases.pg.password: environment variable NO_SUCH is not set"),
        ('env = "TEST_SECRET"', 'file = "no/such"', "databases.pg.password: secret file no/such cannot be read"),
        ('env = "TEST_SECRET"', 'env = "A", file = "b"', "databases.0.password: expected { env ="),
        ('env = "TEST_SECRET"', "", "databases.0.password: expected { env ="),
        ('user = "u"', 'user = "u"\nsslmode = "prefer"', "databases.0.sslmode: Input should be 'disable'"),
        (
            'role = "api"\nhost = "node"',
            'role = "api"\nhost = "nod"',
            "service api: host: 'nod' is no host of this profile",
        ),
        ('name = "redis"', 'name = "api"', "service: the name 'api' is given twice"),
        ('name = "node"', 'name = "No de"', "hosts.0.name: String should match pattern"),
        ("2026-11-23", "2026-11-22", "not_applicable ABC-01: expired on 2026-11-22"),
        ("expires = 2026-11-23\n", "", "not_applicable.0.expires: Field required"),
        ('reason = "r"', 'reason = " "', "not_applicable.0.reason: String should have at least 1 character"),
        (
            '"/SUMS"\n',
            '"/SUMS"\ntimezone = "Mars/Base"\n',
            "backups.0.timezone: expected the name of a time zone, such",
        ),
        ('"/SUMS"\n', '"/SUMS"\ntimezone = "../UTC"\n', "backups.0.timezone: expected the name of a time zone"),
        ('"/SUMS"\n', '"/SUMS"\ntimezone = "Europe"\n', "backups.0.timezone: expected the name of a time zone"),
        ('"/SUMS"\n', '"/SUMS"\ntimeout_s = 7201\n', "backups.0.timeout_s: Input should be less than or equal to 7200"),
        ('"/SUMS"\n', '"/SUMS"\ntimeout_s = 0\n', "backups.0.timeout_s: Input should be greater than 0"),
        ('manifest = "/SUMS"\n', "", "backups.0.manifest: Field required"),
        ('name = "test"', "name = ", "not readable as TOML"),
    ],
)
def test_bad_input_ends_in_one_line_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(UsageError) as error:
        load_text(tmp_path, WHOLE.replace(old, new, 1))
    assert str(error.value).startswith("profiles/test/profile.toml: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "hunter22" not in str(error.value) or '"hunter22"' in new


def test_an_empty_secret_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n", encoding="utf-8")
    with pytest.raises(UsageError, match="secret file empty is empty"):
        load_text(tmp_path, WHOLE.replace('env = "TEST_SECRET"', 'file = "empty"'))


def test_a_secret_file_is_read_from_the_root_without_its_newline(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hunter23\n", encoding="utf-8")
    found = load_text(tmp_path, WHOLE.replace('env = "TEST_SECRET"', 'file = "pw"'))
    assert found.secrets["databases.pg"].get_secret_value() == "hunter23"


def test_an_unknown_profile_says_which_there_are(tmp_path: Path) -> None:
    load_text(tmp_path, WHOLE)
    with pytest.raises(UsageError, match=r"no such profile; there are: test$"):
        load("tset", tmp_path, today=TODAY)


@pytest.mark.parametrize("name", ["lab", "staging", "production"])
def test_the_profiles_that_come_with_the_suite_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    file = root / "profiles" / name / "profile.toml"
    if not file.exists():
        pytest.fail(f"{file} is missing")
    text = file.read_text(encoding="utf-8")
    for variable in re.findall(r'env = "(\w+)"', text) + re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(variable, "localhost")
    try:
        assert load(name, root, today=TODAY).profile.name == name
    except UsageError as error:
        assert "secret file" in str(error)  # noqa: PT017  the lab's secrets are there only once it was started
