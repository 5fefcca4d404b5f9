"""Ingestion from paths on this machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app import schemas
from app.cli.output import Output
from app.errors import FileNotFoundOnDiskError
from app.failures import KNOWN
from knowledge_base.files import StoredFile
from knowledge_base.ingestion import IngestedFile, failed

_BLOCK = 1 << 20


def ingest_paths(output: Output, knowledge_base: str, paths: Sequence[Path]) -> list[schemas.Document]:
    """Ingest files and the files below folders; one document, stored or failed, for each."""
    language = output.language()
    results: dict[int, IngestedFile] = {}
    stored: list[tuple[int, StoredFile]] = []
    with output.service() as service:
        service.ensure_knowledge_base(knowledge_base)
        for position, (name, path) in enumerate(_named(paths)):
            try:
                stored.append((position, service.store(name, _blocks(path), check=False)))
            except KNOWN as error:
                results[position] = failed(name, error)
        done = service.ingest(knowledge_base, [file for _, file in stored], progress=output.progress)
    results.update({position: result for (position, _), result in zip(stored, done, strict=True)})
    output.note("")

    return [schemas.ingested(result, language) for _, result in sorted(results.items())]


def _named(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Files, each once, with the names that they get: the file's own, or its place below the folder given."""
    found: dict[Path, str] = {}
    for path in paths:
        for name, file in _walk(Path(os.path.abspath(path))):  # noqa: PTH100 - resolve() would follow links
            found.setdefault(file, name)
    # Two files of one name from different folders must not replace each other.
    while longer := _lengthened(found):
        found.update(longer)
    for path, name in found.items():
        yield name, path


def _lengthened(found: Mapping[Path, str]) -> dict[Path, str]:
    """Names that several files have, with one more of each file's folders before them."""
    counts = Counter(found.values())
    longer = {
        path: "/".join(path.parts[1:][-name.count("/") - 2 :])
        for path, name in found.items()
        if counts[name] > 1
    }
    return {path: name for path, name in longer.items() if name != found[path]}


def _walk(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield path.name, path
        return
    below = [(file.relative_to(path), file) for file in sorted(path.rglob("*")) if file.is_file()]
    seen = [(place, file) for place, file in below if not any(part.startswith(".") for part in place.parts)]
    yield from ((place.as_posix(), file) for place, file in seen)
    if not seen:
        yield path.name, path  # which then is told to hold no file


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except OSError as error:
        raise FileNotFoundOnDiskError(f"cannot read {path}: {error.strerror}", name=str(path)) from error
