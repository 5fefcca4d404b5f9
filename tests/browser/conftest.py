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
from tests.models.tiny_models import save_llama

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
TINY = "小模型"
"""The chat model that the server can load."""


class Server:
    """`python webui.py` on a free port, with an empty data folder to start from."""

    def __init__(self, folder: Path, model: SlowModel, *, models_dir: Path, tiny: Path | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.data_dir = folder / "data"
        self._folder = folder
        models = {SlowModel.name: {"kind": "openai", "model": "slow", "base_url": model.url}}
        if tiny is not None:
            models[TINY] = {"kind": "transformers", "model": str(tiny)}
        self._environment = {
            **os.environ,
            "ZHIWEN_DATA_DIR": str(self.data_dir),
            "ZHIWEN_MODELS_DIR": str(models_dir),
            "ZHIWEN_ANSWERING__MODELS": json.dumps(models),
            "ZHIWEN_SERVER__DRAIN_SECONDS": "1",  # nobody reads the answers under way
            "OMP_NUM_THREADS": "2",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        log = self._folder / "log.txt"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, str(ROOT / "webui.py"), "--port", str(self._port)],
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        _wait_for_port(self._process, self._port, log)

    def stop(self) -> None:
        """End it as an interrupt from the keyboard would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=120)


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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers keep the models that the first of them converts."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, slow_model: SlowModel, models_dir: Path
) -> Iterator[Server]:
    """One server for all tests, with the slow model and a tiny one beside the quoting default."""
    tiny = save_llama(tmp_path_factory.mktemp("tiny"))
    folder = tmp_path_factory.mktemp("server")
    running = Server(folder, slow_model, models_dir=models_dir, tiny=tiny)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import httpx

    transport = httpx.HTTPTransport(retries=11)  # with growing pauses, some minutes in all
    with httpx.Client(transport=transport, timeout=30) as client:
        try:
            client.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
        except httpx.HTTPError:
            process.kill()
            pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def warm_context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that keeps Gradio's scripts from one test to the next."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def context(warm_context: BrowserContext, server: Server) -> Iterator[BrowserContext]:
    """A browser session of a Chinese user that remembers nothing of other tests but scripts."""
    yield warm_context
    for page in warm_context.pages:
        page.close()
    warm_context.clear_cookies()
    blank = warm_context.new_page()
    warm_context.new_cdp_session(blank).send(
        "Storage.clearDataForOrigin", {"origin": server.url, "storageTypes": "local_storage"}
    )
    blank.close()


@pytest.fixture
def page(context: BrowserContext, server: Server, watch: Watch) -> Page:
    """The page, loaded, with everything that it asks for recorded."""
    page = context.new_page()
    watch.follow(page)
    page.goto(server.url)
    page.locator(".zw-welcome").wait_for()  # the last that comes
    return page
