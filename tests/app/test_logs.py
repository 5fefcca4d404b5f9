from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.logs import PACKAGES, LineFormatter, configure
from app.settings import LoggingSettings
from knowledge_base import log_context
from knowledge_base.errors import DiskFullError
from tests.knowledge_base.doubles import open_home
from tests.knowledge_base.test_jobs import ended

CANARY = "金丝雀密语八七六五"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.NOTSET)


def lines(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines()]


def test_no_text_and_no_name_of_a_document_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the finest level, when all goes well, when the file is damaged and when the code is."""
    configure(LoggingSettings(level="debug", format="json"))
    home = open_home(tmp_path)
    good = home.submit("k", {f"{CANARY}.md": f"门禁口令是{CANARY}。"})
    bad = home.submit("k", {f"{CANARY}2.md": f"DAMAGED {CANARY}"})
    runner = home.runner()
    runner.start()
    document = ended(home, good).documents[0].id
    ended(home, bad)

    def fail(texts: list[str]) -> None:
        raise ValueError(f"cannot embed {texts[0]}")

    monkeypatch.setattr(home.embedder, "encode_documents", fail)
    broken = home.submit("k", {f"{CANARY}3.md": f"另一句{CANARY}。"})
    runner.wake()
    assert ended(home, broken).error == "internal_error"
    monkeypatch.setattr(home.catalogue, "commit", fail)
    runner.stop()
    home.close()
    logged = capsys.readouterr().err
    assert CANARY not in logged
    records = lines(logged)
    assert {record.get("job") for record in records} >= {good, bad, broken}
    assert [r["job"] for r in records if r.get("document") == document] == [good]
    (error,) = [record for record in records if record["level"] == "ERROR"]
    assert (error["error"], error["job"]) == ("ValueError", broken)
    assert any("shared_embedder.py" in place for place in error["at"])


def formatted(record: logging.LogRecord, **options: bool) -> str:
    return LineFormatter(**{"as_json": False, "private": False, **options}).format(record)


def record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("app.x", logging.WARNING, __file__, 1, message, arguments, None)
    made.__dict__.update(fields)
    return made


def test_lines_of_text() -> None:
    with log_context.about(request="r1"), log_context.about(job="j1"):
        line = formatted(record("two\nlines %d", 5, document="d1"))
    assert line.split(" ", 1)[1] == 'WARNING app.x two\\nlines 5 request="r1" job="j1" document="d1"'
    assert "job" not in formatted(record("outside"))


@pytest.mark.parametrize(
    ("error", "shown", "private"),
    [
        (OSError(28, "No space left on device", "/data/秘密"), "OSError (No space left on device)", "秘密"),
        (DiskFullError("cannot store 秘密", reason="x"), "DiskFullError (disk_full)", "秘密"),
        (ValueError("秘密"), "ValueError", "秘密"),
    ],
)
def test_an_error_among_the_arguments_says_its_kind_only(error: Exception, shown: str, private: str) -> None:
    assert formatted(record("saving fails: %s", error)).endswith(f"saving fails: {shown}")
    assert private in formatted(record("saving fails: %s", error), private=True)
