"""Ingestion from paths on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app import schemas
from app.cli.files import find_files, read_blocks
from app.cli.output import Output
from app.failures import KNOWN
from knowledge_base.files import StoredFile
from knowledge_base.ingestion import IngestedFile, failed


def ingest_paths(output: Output, knowledge_base: str, paths: Sequence[Path]) -> list[schemas.Document]:
    """Ingest files and the files below folders; one document, stored or failed, for each."""
    language = output.language()
    results: dict[int, IngestedFile] = {}
    stored: list[tuple[int, StoredFile]] = []
    with output.service() as service:
        service.ensure_knowledge_base(knowledge_base)
        for position, file in enumerate(find_files(paths)):
            try:
                if file.error is not None:
                    raise file.error
                stored.append((position, service.store(file.name, read_blocks(file.path), check=False)))
            except KNOWN as error:
                results[position] = failed(file.name, error)
        done = service.ingest(knowledge_base, [file for _, file in stored], progress=output.progress)
    results.update({position: result for (position, _), result in zip(stored, done, strict=True)})
    output.note("")

    return [schemas.ingested(result, language) for _, result in sorted(results.items())]
