"""The real server in a process of its own, and a browser whose every request is recorded."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.slow_model import SlowModel

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WAIT_MS = 150_000
"""Models are converted and loaded meanwhile, on a machine that may have other things to do."""


@dataclass(frozen=True)
class Server:
    """A running server with an empty data folder to start from."""

    url: str
    data_dir: Path


@dataclass
class Watch:
    """What the browser asked for and complained about."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Record a page's requests, errors of its scripts, and refusals of the content policy."""
        page.on("request", lambda request: self._request(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type == "error" else None,
        )

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or url)


@pytest.fixture(scope="module")
def slow_model() -> Iterator[SlowModel]:
    """A chat model behind OpenAI's protocol on this machine."""
    model = SlowModel()
    thread = threading.Thread(target=model.serve_forever, daemon=True)
    thread.start()
    yield model
    model.release.set()
    model.shutdown()
    model.server_close()
    thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, slow_model: SlowModel) -> Iterator[Server]:
    """`python webui.py` on a free port, with the slow model beside the quoting default."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spec = {"kind": "openai", "model": "slow", "base_url": slow_model.url}
    environment = {
        **os.environ,
        "ZHIWEN_DATA_DIR": str(folder / "data"),
        "ZHIWEN_ANSWERING__MODELS": json.dumps({SlowModel.name: spec}),
        "OMP_NUM_THREADS": "2",
    }
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, str(ROOT / "webui.py"), "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for_port(process, port, log)
        yield Server(f"http://127.0.0.1:{port}", folder / "data")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import httpx

    transport = httpx.HTTPTransport(retries=10)  # with growing pauses, about a minute in all
    with httpx.Client(transport=transport, timeout=30) as client:
        try:
            client.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
        except httpx.HTTPError:
            process.kill()
            pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def watch() -> Watch:
    """What the pages of a test did."""
    return Watch()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser session of a Chinese user."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: Server, watch: Watch) -> Page:
    """The page, loaded, with everything that it asks for recorded."""
    page = context.new_page()
    watch.follow(page)
    page.goto(server.url)
    page.locator(".zw-welcome").wait_for()  # the last that comes
    return page
