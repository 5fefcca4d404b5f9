"""Following a folder: what is new, changed or gone in it becomes so in a knowledge base."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from app import schemas
from app.cli.files import find_files, read_blocks
from app.cli.output import Output
from app.errors import EmptyFolderError, FileNotFoundOnDiskError
from app.failures import KNOWN
from app.service import Service
from knowledge_base.errors import DocumentNotFoundError
from knowledge_base.files import StoredFile
from knowledge_base.ingestion import IngestedFile, failed
from knowledge_base.names import normalised


def mirror(output: Output, knowledge_base: str, folder: Path, *, dry_run: bool, allow_empty: bool) -> None:
    """Bring a knowledge base to what is in `folder`, or with `dry_run` only say what would be done.

    Names are taken away only where a mirror of the same folder gave them last: it takes over what was
    uploaded under the name of a file that is in the folder, and an upload takes a name over from it.
    A folder that cannot be read in all its parts, or is empty all at once (not mounted, perhaps),
    deletes nothing. Raises `FileNotFoundOnDiskError` and `EmptyFolderError`.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow links
    _check_readable(folder)
    origin = os.fsencode(folder).decode("utf-8", "backslashreplace")
    found = list(find_files([folder]))
    # An empty folder is given back as what it is, with nothing to read.
    present = {normalised(file.name) for file in found if file.path != folder}
    with output.service() as service:
        if not dry_run:
            service.ensure_knowledge_base(knowledge_base)
        known = service.lifecycle.names_from(knowledge_base, origin)
        if known and not present and not allow_empty:
            raise EmptyFolderError(f"{folder} is empty", name=str(folder), count=len(known))
        gone = sorted(known.keys() - present)
        files = [file for file in found if file.path != folder]
        documents = (
            _foreseen(service, knowledge_base, files)
            if dry_run
            else _ingested(output, service, knowledge_base, files, origin=origin)
        )
        if not dry_run:
            gone = [name for name in gone if _taken_away(service, knowledge_base, name, origin)]
    output.note("")
    lines = [f"{document['state']}\t{document['name']}" for document in documents]
    lines.extend(f"gone\t{name}" for name in gone)
    output.result({"documents": documents, "deleted": gone, "dry_run": dry_run}, "\n".join(lines))
    if any(document["state"] == "failed" for document in documents):
        raise click.exceptions.Exit(1)


def _taken_away(service: Service, knowledge_base: str, name: str, origin: str) -> bool:
    try:
        service.lifecycle.delete_name(knowledge_base, name, origin=origin)
    except DocumentNotFoundError:  # deleted meanwhile, or given again by hand
        return False
    return True


def _check_readable(folder: Path) -> None:
    def give_up(error: OSError) -> None:
        raise FileNotFoundOnDiskError(
            f"cannot read {error.filename}: {error.strerror}", name=str(error.filename)
        ) from error

    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir() raises for some that are none
        raise FileNotFoundOnDiskError(f"{folder} is no folder", name=str(folder))
    for _ in os.walk(folder, onerror=give_up):
        pass


def _ingested(
    output: Output, service: Service, knowledge_base: str, files: Iterable[Any], *, origin: str
) -> list[dict[str, Any]]:
    results: dict[int, IngestedFile] = {}
    stored: list[tuple[int, StoredFile]] = []
    for position, file in enumerate(files):
        try:
            if file.error is not None:
                raise file.error
            kept = service.store(file.name, read_blocks(file.path), check=False)
            stored.append((position, dataclasses.replace(kept, origin=origin)))
        except KNOWN as error:
            results[position] = failed(file.name, error)
    done = service.ingest(knowledge_base, [file for _, file in stored], progress=output.progress)
    results.update({position: result for (position, _), result in zip(stored, done, strict=True)})
    language = output.language()
    return [
        schemas.ingested(result, language).model_dump(mode="json") for _, result in sorted(results.items())
    ]


def _foreseen(service: Service, knowledge_base: str, files: Iterable[Any]) -> list[dict[str, Any]]:
    """What would become of the files: "new", "changed", "unchanged" or "failed"."""
    known = service.lifecycle.digests(knowledge_base)
    foreseen = []
    for file in files:
        state = "failed"
        if file.error is None:
            digest = hashlib.sha256()
            try:
                for block in read_blocks(file.path):
                    digest.update(block)
            except FileNotFoundOnDiskError:
                pass
            else:
                before = known.get(normalised(file.name))
                unchanged = before == digest.hexdigest()
                state = "new" if before is None else "unchanged" if unchanged else "changed"
        foreseen.append({"name": file.name, "state": state})
    return foreseen
