"""Chromium as Debian has it, driven by Playwright: a page is looked at, printed, and read by what reads it aloud."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SCREEN, PHONE = (1400, 900), (390, 844)  # CSS pixels


@contextmanager
def browser() -> Iterator[Browser]:
    """The browser of this machine.

    Raises:
        AssertionError: there is none; the pages cannot be looked at, and nobody may believe that they were.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "no Chromium on this machine: install it (as root on Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def opened(
    by: Browser, address: str, size: tuple[int, int] = SCREEN, *, script: bool = True, dark: bool = False
) -> Iterator[Page]:
    """A page in a window of its own, which has asked for nothing but itself and complained of nothing."""
    context = by.new_context(
        viewport={"width": size[0], "height": size[1]},
        java_script_enabled=script,
        color_scheme="dark" if dark else "light",
    )
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    yield page
    assert [each for each in asked if each.partition("#")[0] != address] == []
    assert said == []
    context.close()
