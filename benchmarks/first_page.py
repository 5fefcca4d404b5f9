"""How soon the page is there, beside a bare Gradio chat, by turns.

    python -m benchmarks.first_page [--rounds 5]

"start" is the time from the start of the process to the first answer to GET /, "load" that from the
navigation of a browser with an empty cache to a page that can be used. Needs Debian's Chromium.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_BARE = """
import sys
import fastapi, gradio, uvicorn
with gradio.Blocks() as blocks:
    gradio.Chatbot()
    gradio.Textbox()
app = gradio.mount_gradio_app(fastapi.FastAPI(), blocks, path="/")
uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""
_SETTLED_SECONDS = 8.0
"""By then, the models that load behind the open port are there."""
_SERVERS = {
    "bare Gradio": (["-c", _BARE], "textarea"),
    "Zhiwen": (["-m", "webui"], ".zw-welcome"),
}
"""What to run, before `--port N`, and what is the last that the page shows."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options: Any = parser.parse_args()
    from playwright.sync_api import sync_playwright

    starts: dict[str, list[float]] = {name: [] for name in _SERVERS}
    loads: dict[str, list[float]] = {name: [] for name in _SERVERS}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["ZHIWEN_DATA_DIR"] = folder
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled, so ours has to be
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for number in range(options.rounds + 1):
            for name, (command, last) in _SERVERS.items():
                with _running(command) as (url, seconds):
                    _load(browser, url, last)  # the first visit pays for what the server loads then
                    time.sleep(_SETTLED_SECONDS)
                    measured = [_load(browser, url, last) for _ in range(3)]
                if number:  # the first round fills the caches of the disk
                    starts[name].append(seconds)
                    loads[name] += measured
    print("| | start, median | start, all | load, median | load, all |\n" + "| --- " * 5 + "|")
    for name in _SERVERS:
        figures = [
            cell
            for values in (starts[name], loads[name])
            for cell in (f"{statistics.median(values):.2f}", " ".join(f"{value:.1f}" for value in values))
        ]
        print(f"| {name} | {' | '.join(figures)} |")


@contextmanager
def _running(command: list[str]) -> Iterator[tuple[str, float]]:
    """The address of a server, and the seconds until it answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, begun = f"http://127.0.0.1:{port}/", time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, *command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                urllib.request.urlopen(url).close()
                break
            except urllib.error.URLError:
                time.sleep(0.02)
        yield url, time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait()


def _load(browser: Browser, url: str, last: str) -> float:
    context = browser.new_context(locale="zh-CN")
    page, begun = context.new_page(), time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(last).first.wait_for()
    seconds = time.perf_counter() - begun
    context.close()
    return seconds


if __name__ == "__main__":
    main()
