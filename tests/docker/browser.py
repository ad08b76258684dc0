"""A real browser for tests: Chromium from the distribution, driven by Playwright, which downloads nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

import pytest
from filelock import FileLock
from playwright.sync_api import Error, Page, Playwright, expect, sync_playwright

from tools.places import cache_directory

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-liberation")
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
ATTEMPTS = 4
PATIENCE_MS = 90_000
Seen = TypeVar("Seen")

expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    """The browser's path; where there is none, it is installed, which takes root, apt and half a minute."""
    # Two processes of one test run must not install at once: the second would fail, or find half a browser.
    cache_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_directory() / "browser.lock"):
        return _installed()


def _installed() -> str:
    if found := next(filter(None, map(shutil.which, NAMES)), None):
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip(f"needs a browser: apt-get install {' '.join(PACKAGES)}")
    print(f"installing the packages {', '.join(PACKAGES)} for the browser tests (apt-get install)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", "update"], check=True, env=quiet)
    subprocess.run(["apt-get", "-qqy", "install", "--no-install-recommends", *PACKAGES], check=True, env=quiet)
    return str(shutil.which(NAMES[0]))


def visit(url: str, steps: Callable[[Page], Seen], **context: object) -> Seen:
    """What `steps` give on a page of a browser that knows nothing yet, at `url`.

    Chromium drops what it is loading when an address of the machine comes or goes, as happens with every container that
    starts. Steps that fail then are taken again; `context` are words of Playwright's new_context.
    """
    with sync_playwright() as playwright:
        for _ in range(ATTEMPTS - 1):
            dropped: list[str] = []
            try:
                return _visit(playwright, url, steps, dropped, context)
            except (Error, AssertionError) as error:
                if not dropped and NETWORK_CHANGED not in str(error):
                    raise
                print(f"the machine's network changed while the browser was loading; again: {dropped}")
        return _visit(playwright, url, steps, [], context)


def _visit(
    playwright: Playwright, url: str, steps: Callable[[Page], Seen], dropped: list[str], context: dict[str, object]
) -> Seen:
    # Chromium's own sandbox does not start as root, which a container or CI often is; the page visited is our own.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
    try:
        page = browser.new_context(viewport={"width": 1280, "height": 800}, **context).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE_MS)
        page.on("requestfailed", lambda r: dropped.append(r.url) if NETWORK_CHANGED in (r.failure or "") else None)
        page.goto(url)
        return steps(page)
    finally:
        browser.close()
