"""A corpus of attacks against a real server: no 5xx, nothing outside the data folder read or written."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.client import Client
from app.composition import build_service
from app.service import Service
from app.settings import load_settings
from tests.app import attacks
from tests.app.attacks import INJECTED, KB, Attack
from tests.app.conftest import MakeService
from tests.app.live import serving

pytestmark = [pytest.mark.model, pytest.mark.slow]

SECRET = "the-secret-beside-the-data-folder"
_READ_BEFORE_REFUSED = 1 << 16
LIMITS = {"request_bytes": 1 << 20, "body_seconds": 0.5}


class Canary:
    """An address that nobody has a reason to connect to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.calls = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.close()


@pytest.fixture(scope="module")
def home(embedder: Any, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service whose data folder lies beside a secret."""
    parent = tmp_path_factory.mktemp("attacked")
    (parent / "secret.txt").write_text(SECRET)
    (parent / "sub").mkdir()
    settings = load_settings({"data_dir": parent / "sub" / "data", "limits": LIMITS})
    service = build_service(settings, model_folder=model_folder)
    service.create_knowledge_base(KB)
    service.ingest(KB, [service.store("年假.md", ["员工每年享有年假五天。".encode()])])
    service.start()
    yield service
    service.close()


@pytest.fixture(scope="module")
def port(home: Service) -> Iterator[int]:
    with serving(home) as found:
        yield found


def send(port: int, attack: Attack) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # answered and closed before all was sent
            connection.sendall(attack.wire())
        response = http.client.HTTPResponse(connection, method=attack.method)
        response.begin()
        return response.status, response.headers, response.read()


def below(folder: Path) -> dict[str, str]:
    """Every file below a folder, with the digest of what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def outside(service: Service) -> dict[str, str]:
    """What lies beside the data folder."""
    data = service.settings.data_dir
    parent = data.parents[1]
    return {name: d for name, d in below(parent).items() if not (parent / name).is_relative_to(data)}


def wrong(port: int, attack: Attack) -> str:
    """What is wrong with the answer to an attack; empty where nothing is."""
    try:
        status, headers, body = send(port, attack)
    except ConnectionResetError:
        # Hung up on while it sent more than anybody reads; its answer may be lost with the rest.
        return "" if len(attack.wire()) > _READ_BEFORE_REFUSED else f"{attack.name}: hung up on"
    except (OSError, http.client.HTTPException) as error:
        return f"{attack.name}: no answer ({error!r})"
    if not (400 <= status < 500 or (attack.harmless and 200 <= status < 300)):
        return f"{attack.name}: {status} {body[:200]!r}"
    if INJECTED.lower() in {name.lower() for name in headers}:
        return f"{attack.name}: a header was injected"
    if any(each in body for each in (SECRET.encode(), b"root:x:0:0", b"Traceback", b"/site-packages/")):
        return f"{attack.name}: the answer tells {body[:200]!r}"
    return ""


CATEGORIES = {
    "traversals": lambda canary: attacks.traversals(),
    "targets": lambda canary: attacks.raw_targets(),
    "headers": lambda canary: attacks.headers(),
    "json": lambda canary: attacks.documents_of_json(),
    "nul": lambda canary: attacks.nul_bytes(),
    "content types": lambda canary: attacks.content_types(),
    "slow bodies": lambda canary: attacks.slow_bodies(),
    "addresses": attacks.addresses,
}


def test_there_are_enough_of_them() -> None:
    found = [attack for make in CATEGORIES.values() for attack in make("http://127.0.0.1:9")]
    found += [*attacks.files("http://127.0.0.1:9"), *attacks.keys("0" * 8)]
    assert len({attack.wire() for attack in found}) >= 500


@pytest.mark.parametrize("category", CATEGORIES)
def test_attacks_change_nothing(home: Service, port: int, canary: Canary, category: str) -> None:
    data = home.settings.data_dir
    before = outside(home), below(data / "files"), home.knowledge_bases(), home.documents(KB)
    assert [found for attack in CATEGORIES[category](canary.url) if (found := wrong(port, attack))] == []
    assert (outside(home), below(data / "files"), home.knowledge_bases(), home.documents(KB)) == before
    assert below(data / "tmp") == {}
    assert canary.calls == 0


def test_files_reach_nothing(home: Service, port: int, canary: Canary) -> None:
    data = home.settings.data_dir
    before = outside(home), below(data / "files")
    assert [found for attack in attacks.files(canary.url) if (found := wrong(port, attack))] == []
    with Client(f"http://127.0.0.1:{port}") as client:
        for job in client.jobs.list():
            client.jobs.wait(job.id)
        taken = [each for each in client.knowledge_bases.documents(KB) if each.name != "年假.md"]
        assert {"page.html", "pictures.md"} <= {each.name for each in taken}
        for document in taken:
            reply = client.request("GET", f"{attacks.AT}/documents/{document.id}/content")
            assert reply.headers["Content-Type"] == "application/octet-stream", document.name
            assert reply.headers["Content-Disposition"].startswith("attachment"), document.name
            text = "".join(chunk.text for chunk in client.knowledge_bases.chunks(KB, document.id))
            assert SECRET not in text, document.name
            assert "root:x:0:0" not in text, document.name
            client.knowledge_bases.delete_document(KB, document.id)
    assert (outside(home), below(data / "files")) == before
    assert below(data / "tmp") == {}
    assert canary.calls == 0


def test_guessing_a_key_opens_nothing(make_service: MakeService) -> None:
    service = make_service()
    service.create_knowledge_base(KB)
    key, secret = service.keys.create("one")
    with serving(service) as port:
        for attack in attacks.keys(key.id):
            status, _, body = send(port, attack)
            assert 400 <= status < 500, (attack.name, status)
            assert KB.encode() not in body, attack.name
        with Client(f"http://127.0.0.1:{port}", key=secret) as client:
            assert [each.name for each in client.knowledge_bases.list()] == [KB]


def test_names_that_are_patterns_are_names(home: Service, port: int) -> None:
    names = ["a_b", "axb", "%", "%%", "a%b", "_", "*", "CON", "' OR 1=1 --", "{{7*7}}", "$(id)", "~root"]
    with Client(f"http://127.0.0.1:{port}") as client:
        for name in names:
            client.knowledge_bases.create(name)
        for gone, name in enumerate(names, start=1):
            client.knowledge_bases.delete(name)
            left = {each.name for each in client.knowledge_bases.list()}
            assert left == {KB, *names[gone:]}
    assert [path.name for path in home.settings.data_dir.parent.iterdir()] == ["data"]
