"""Scripts behind symbolic links, real ones: whoever may change a link, or a folder on the way, has the script too."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from opsverify.channels.shell import Host
from opsverify.probes.scripts import script


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a blank in its name."""
    folder = tmp_path / "of may"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def linked(place: Path) -> Path:
    """A link in one folder to a script in another, through a link to that folder."""
    for name, mode in (("named", 0o755), ("real", 0o750)):
        (place / name).mkdir()
        (place / name).chmod(mode)
    (place / "real/daily.sh").write_text("#!/bin/sh\nif true; then\n", encoding="utf-8")
    (place / "way").symlink_to("real")
    (place / "named/daily.sh").symlink_to(place / "way/daily.sh")
    return place


def test_a_link_leads_to_the_file_that_is_run(local: Host, linked: Path) -> None:
    found = script(local, str(linked / "named/daily.sh"))
    assert found is not None
    assert (found.entry.path, found.entry.kind) == (str(linked / "real/daily.sh"), "regular file")
    assert "yntax error" in found.syntax


def test_the_folders_on_the_way_to_a_link_are_seen_too(local: Host, linked: Path) -> None:
    found = script(local, str(linked / "named/daily.sh"))
    assert found is not None
    folders = {os.path.normpath(each.path) for each in found.above if each.kind == "directory"}
    assert {*map(str, linked.parents), str(linked), f"{linked}/named", f"{linked}/real"} == folders
    links = [each for each in found.above if each.kind == "symbolic link"]
    assert {os.path.normpath(each.path) for each in links} == {f"{linked}/named/daily.sh", f"{linked}/way"}
    owner = pwd.getpwuid(os.getuid()).pw_name
    assert {each.owner for each in links} == {owner}
    assert {each.changeable_by_others for each in links} == {owner != "root"}


def test_every_link_on_the_way_is_seen_with_its_folders(local: Host, linked: Path) -> None:
    for name, target in (("b", "../named/daily.sh"), ("a", "../b/script"), ("link to a", f"{linked}/a/script")):
        (linked / name).mkdir()
        (linked / name / "script").symlink_to(target)
    found = script(local, str(linked / "link to a/script"))
    assert found is not None
    assert found.entry.path == str(linked / "real/daily.sh")
    links = [each for each in found.above if each.kind == "symbolic link"]
    named = [os.path.normpath(each.path) for each in links]
    way = ("link to a/script", "a/script", "b/script", "named/daily.sh", "way")
    assert set(named) == {f"{linked}/{each}" for each in way}
    folders = {os.path.normpath(each.path) for each in found.above if each.kind == "directory"}
    assert {f"{linked}/{each}" for each in ("link to a", "a", "b", "named", "real")} <= folders


def test_a_sticky_folder_keeps_a_link_but_not_its_owner_from_changing_it(local: Host, linked: Path) -> None:
    (linked / "named").chmod(0o1777)
    found = script(local, str(linked / "named/daily.sh"))
    assert found is not None
    (named,) = [each for each in found.above if each.path == f"{linked}/named"]
    assert (named.kind, named.mode) == ("directory", 0o1777)
    assert named.changeable_by_others is (named.owner != "root")


def test_a_script_without_a_link_has_none_on_its_way(local: Host, linked: Path) -> None:
    found = script(local, str(linked / "real/daily.sh"))
    assert found is not None
    assert {each.kind for each in found.above} == {"directory"}


@pytest.mark.parametrize("way", ["way/daily.sh", "named/daily.sh"])
def test_a_folder_that_is_a_link_is_a_link_on_the_way(local: Host, linked: Path, way: str) -> None:
    found = script(local, str(linked / way))
    assert found is not None
    assert f"{linked}/way" in [each.path for each in found.above if each.kind == "symbolic link"]


def test_a_long_chain_of_links_is_seen_to_its_end(local: Host, linked: Path) -> None:
    (linked / "l0").symlink_to("real/daily.sh")
    for each in range(1, 15):
        (linked / f"l{each}").symlink_to(f"l{each - 1}")
    found = script(local, str(linked / "l14"))
    assert found is not None
    assert f"{linked}/l0" in [each.path for each in found.above]


def test_a_folder_of_anyones_on_the_way_to_a_link_is_found(local: Host, linked: Path) -> None:
    (linked / "named").chmod(0o777)
    found = script(local, str(linked / "named/daily.sh"))
    assert found is not None
    (named,) = [each for each in found.above if each.path == f"{linked}/named"]
    assert named.changeable_by_others
