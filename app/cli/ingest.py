"""Ingestion from paths on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from app import schemas
from app.cli.output import Output
from app.errors import FileNotFoundOnDiskError
from app.failures import KNOWN, problem_text, terminal_language
from knowledge_base.files import StoredFile
from knowledge_base.ingestion import IngestedFile, failed
from loaders.document import Problem

_BLOCK = 1 << 20


def ingest_paths(output: Output, knowledge_base: str, paths: Sequence[Path]) -> list[schemas.Document]:
    """Ingest files and the files below folders; one document, stored or failed, for each."""
    language = terminal_language()
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

    def show(problem: Problem, name: str) -> str:
        return problem_text(problem, language, name=name)

    return [
        schemas.ingested(result, show=lambda problem, name=result.name: show(problem, name))
        for _, result in sorted(results.items())
    ]


def _named(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Files with the names that they get: the file's own, or its place below the folder given."""
    found = [pair for path in paths for pair in _walk(path)]
    counts = Counter(name for name, _ in found)
    for name, path in found:
        # Two files of one name from different folders must not replace each other.
        yield (name if counts[name] == 1 else f"{path.parent.name}/{name}"), path


def _walk(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield path.name, path
        return
    for below in sorted(path.rglob("*")):
        relative = below.relative_to(path)
        if below.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield relative.as_posix(), below


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except OSError as error:
        raise FileNotFoundOnDiskError(f"cannot read {path}: {error.strerror}", name=str(path)) from error
