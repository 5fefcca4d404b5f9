"""The OpenAPI document holds: schemathesis asks a real server for all that it promises, in sequences too.

A longer run by hand: `python -m tests.app.test_openapi --examples 50`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel

from app.composition import build_service
from app.examples import examples
from app.http.application import create_app
from app.service import Service
from app.settings import Settings, load_settings
from tests.app.conftest import HANDBOOK, SAMPLES, MakeService
from tests.app.live import serving

pytestmark = pytest.mark.slow

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "use_after_free",
    "ensure_resource_availability",
)
"""What is looked at of every answer. What the schema cannot say (which files can be read) is not among it."""


@contextmanager
def filled(service: Service) -> Iterator[str]:
    """A server whose service has something in every list, so that sequences have where to begin."""
    for name in ("base", "制度"):
        service.create_knowledge_base(name)
        service.ingest(name, [service.store(HANDBOOK, [(SAMPLES / HANDBOOK).read_bytes()], check=False)])
    service.sessions.create(None, title="差旅", knowledge_bases=["制度"])
    service.start()
    with serving(service) as port:
        yield f"http://127.0.0.1:{port}"


def run(url: str, folder: Path, *, examples: int, seed: int) -> tuple[int, str]:
    """Exit status and report of a run with so many examples a route and phase."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
    command += ["--max-examples", str(examples), "--seed", str(seed), "--checks", ",".join(CHECKS)]
    command += ["--continue-on-failure", "--no-shrink", "--warnings", "off", "--no-color"]
    found = subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return found.returncode, found.stdout + found.stderr


@pytest.mark.model
def test_the_document_holds(make_service: MakeService, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis needs Python 3.11")
    with filled(make_service()) as url:
        status, report = run(url, tmp_path, examples=2, seed=1)
    assert status == 0, report[-8000:]
    assert "Stateful" in report


def _models(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for below in kind.__subclasses__():
        yield below
        yield from _models(below)


def test_examples_are_what_they_are_examples_of() -> None:
    found = {model.__name__: model for model in _models(BaseModel) if model.__module__.startswith("app.")}
    for name, example in examples().items():
        assert found[name].model_validate(example).model_dump(mode="json", exclude_unset=True) == example, (
            name
        )


def test_every_body_has_an_example() -> None:
    """Its own, or those of what it is made of."""
    service = cast(Service, SimpleNamespace(settings=Settings()))
    document = create_app(service, pages=False).openapi()
    models = document["components"]["schemas"]

    def shown(schema: dict[str, Any]) -> bool:
        model = models.get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
        parts = [part.get("items", part) for part in model.get("properties", {}).values()]
        return "examples" in model or any("$ref" in part and shown(part) for part in parts)

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            found = [body["content"].get("application/json") for body in bodies if "content" in body]
            for content in filter(None, found):
                assert "examples" in content or shown(content.get("schema", {})), (method, path)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/knowledge-bases", "GET, POST"),
        ("/api/knowledge-bases/x/documents/y", "DELETE, GET, PATCH, PUT"),
        ("/healthz", "GET"),
    ],
)
def test_a_method_that_is_not_there(client: Any, path: str, methods: str) -> None:
    reply = client.request("OPTIONS", path)
    assert (reply.status_code, reply.headers["Allow"]) == (405, methods)


def main() -> int:
    """Run as the command line says, in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = build_service(load_settings({"data_dir": Path(folder, "data")}))
        try:
            with filled(service) as url:
                status, report = run(url, Path(folder), examples=options.examples, seed=options.seed)
        finally:
            service.close()
    sys.stdout.write(report)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
