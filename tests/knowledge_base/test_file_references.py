from __future__ import annotations

from knowledge_base import file_references
from knowledge_base.types import DocumentInfo
from tests.knowledge_base.doubles import Home


def test_files_of_documents_and_of_jobs_that_go_on_are_needed(home: Home) -> None:
    home.add("k", {"a.txt": "年假每年十天。", "gone.txt": "报销须附发票。"})
    stored = {info.name: home.catalogue.stored_sha256(home.key("k").id, info.id) for info in _documents(home)}
    home.submit("k", {"waits.txt": "等待中的文件。"})
    with home.database.read() as connection:
        (waiting,) = file_references.of_jobs(connection)
    (gone,) = [info for info in _documents(home) if info.name == "gone.txt"]
    home.catalogue.delete_document(home.key("k").id, gone.id)
    asked = {*stored.values(), waiting, "f" * 64}
    with home.database.read() as connection:
        assert file_references.referenced_among(connection, asked) == {stored["a.txt"], waiting}
        assert file_references.referenced_among(connection, {waiting}) == {waiting}
        assert file_references.referenced(connection) == {stored["a.txt"], waiting}
    assert home.catalogue.unreferenced(asked) == {stored["gone.txt"], "f" * 64}


def test_a_file_that_failed_for_good_is_not_needed(home: Home) -> None:
    home.submit("k", {"bad.txt": "DAMAGED"})
    job = home.queue.claim()
    assert job is not None
    ((_, file),) = job.files
    (result,) = home.ingestor.ingest(home.key("k"), [file])
    assert home.catalogue.unreferenced({file.sha256}) == set()
    home.queue.note_file(job.id, 0, result)
    assert home.catalogue.unreferenced({file.sha256}) == {file.sha256}


def _documents(home: Home) -> list[DocumentInfo]:
    return home.catalogue.documents(home.key("k").id)
