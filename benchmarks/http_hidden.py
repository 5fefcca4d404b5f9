"""Whether the time of an answer tells what a key may not see from what does not exist.

    python -m benchmarks.http_hidden [--pairs 400]

For each kind of request, pairs of one about something hidden and one about nothing, in random order. The
share of pairs in which the hidden one took longer is 0.5 where time tells nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from fastapi.testclient import TestClient

from app.http.application import create_app
from tests.app.test_two_keys import Side, made, say_something, sides

Ask = Callable[[str], tuple[str, str, object]]


def kinds(other: Side) -> dict[str, tuple[Ask, str, str]]:
    """By kind: the request, what is hidden, and what does not exist of the same shape."""
    base, nothing = other.base, "丙部制度"
    return {
        "knowledge base": (lambda it: ("GET", f"/api/knowledge-bases/{it}", None), base, nothing),
        "documents": (lambda it: ("GET", f"/api/knowledge-bases/{it}/documents", None), base, nothing),
        "document": (
            lambda it: ("GET", f"/api/knowledge-bases/{it}/documents/{other.documents[0]}", None),
            base,
            nothing,
        ),
        "search": (
            lambda it: ("POST", "/api/search", {"query": "暗语", "knowledge_bases": [it]}),
            base,
            nothing,
        ),
        "question": (
            lambda it: ("POST", "/api/ask", {"question": "暗语", "knowledge_bases": [it]}),
            base,
            nothing,
        ),
        "conversation": (lambda it: ("GET", f"/api/sessions/{it}", None), other.session, other.session[::-1]),
        "job": (lambda it: ("GET", f"/api/jobs/{it}", None), other.job, other.job[::-1]),
    }


def main() -> None:
    """Print one JSON object; times are milliseconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=400)
    options = parser.parse_args()
    chance = random.Random(1)  # noqa: S311 - no secret
    found = {}
    with TemporaryDirectory() as folder:
        service = made(Path(folder))
        own, other = sides(service)
        service.start()
        with TestClient(create_app(service, pages=False), base_url="http://127.0.0.1") as client:
            say_something(client, other)
            headers = {"X-API-Key": own.secret}

            def seconds(ask: Ask, about: str) -> float:
                method, path, body = ask(about)
                start = time.perf_counter()
                status = client.request(method, path, json=body, headers=headers).status_code
                assert status == 404, (path, status)  # noqa: S101
                return time.perf_counter() - start

            for kind, (ask, hidden, missing) in kinds(other).items():
                pairs = []
                for _ in range(options.pairs):
                    first = chance.random() < 0.5
                    one, two = (
                        seconds(ask, hidden if first else missing),
                        seconds(ask, missing if first else hidden),
                    )
                    pairs.append((one, two) if first else (two, one))
                times = np.array(pairs) * 1e3
                found[kind] = {
                    "hidden": round(float(np.median(times[:, 0])), 3),
                    "missing": round(float(np.median(times[:, 1])), 3),
                    "difference": round(float(np.median(times[:, 0] - times[:, 1])), 3),
                    "hidden_longer": round(float(np.mean(times[:, 0] > times[:, 1])), 3),
                }
        service.close()
    json.dump(found, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
