"""What all tests share: no network but loopback, and no settings of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from pytest_socket import socket_allow_hosts

CHROMIUM = Path("/usr/bin/chromium")
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

# A busy machine takes its time for the first example.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")

# Also for the processes that tests start.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", GRADIO_ANALYTICS_ENABLED="False")
for name in [name for name in os.environ if name.startswith("ZHIWEN_")]:
    del os.environ[name]


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup() -> None:
    """Let a test reach this machine only."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the browser tests where there is no browser, unless they must run."""
    if CHROMIUM.exists() or os.environ.get("REQUIRE_BROWSER_TEST"):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))
