"""Measures the start of a large knowledge base: from the beginning of a process to its first answer.

    python -m benchmarks.large_start FOLDER [--chunks 200000] [--rounds 3]

The knowledge base in FOLDER is filled once, directly through the catalogue, with documents of a hundred
chunks and vectors from hashes (`benchmarks.growth`). Then processes open it and search it once: first
without the caches of its index, which are made again from the catalogue, then with them, by turns with
a knowledge base of one document, whose start is what the program itself takes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth import KB, document, opened_service
from knowledge_base import chunk_values
from knowledge_base.document_rows import PreparedDocument
from knowledge_base.files import StoredFile
from loaders.document import Chunk

_CHUNKS = 100
"""Chunks of a document."""
_AT_ONCE = 20
"""Documents of a transaction."""


def prepared(number: int, embedder: Any) -> PreparedDocument:
    """A document that was never a file: its chunks are texts of their own."""
    texts = [document(number * _CHUNKS + at).decode() for at in range(_CHUNKS)]
    chunks, end = [], 0
    for text in texts:
        chunks.append(Chunk(end, end + len(text), text))
        end += len(text)
    hashes = [chunk_values.search_hash(chunk) for chunk in chunks]
    vectors = np.asarray(embedder.embed_documents([chunk.search_text for chunk in chunks]), dtype=np.float32)
    name = f"{number:05d}.md"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return PreparedDocument(
        file=StoredFile(name, digest, end, Path(name)),
        format="markdown",
        pages=1,
        problems=(),
        chunks=chunks,
        vectors=dict(zip(hashes, vectors, strict=True)),
    )


def fill(folder: Path, count: int) -> None:
    """Let the knowledge base in `folder` have `count` chunks."""
    with opened_service(folder) as opened:
        parts = opened._parts
        opened.warm_up()
        key, embedder = opened.key(KB), parts.embedder()
        present = opened.knowledge_base(KB).documents
        for first in range(present, count // _CHUNKS, _AT_ONCE):
            batch = [prepared(n, embedder) for n in range(first, min(first + _AT_ONCE, count // _CHUNKS))]
            parts.catalogue.commit(
                key, batch, pipeline=parts.ingestor.pipeline, embedder=embedder.fingerprint
            )


def start(folder: Path) -> tuple[float, str]:
    """Seconds until a process of its own has opened the base and searched it, and what it said."""
    command = [sys.executable, "-m", "benchmarks.growth", str(folder), "--only-open"]
    begin = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return time.perf_counter() - begin, done.stdout.strip()


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    large, small = options.folder / "large", options.folder / "small"
    for folder, count in ((large, options.chunks), (small, _CHUNKS)):
        begin = time.perf_counter()
        fill(folder, count)
        print(f"filled with {count:,} chunks in {time.perf_counter() - begin:.0f} s", flush=True)
        shutil.rmtree(folder / "indexes", ignore_errors=True)
        seconds, said = start(folder)
        print(f"start without caches: {seconds:.1f} s, {said}", flush=True)
    for _ in range(options.rounds):
        (seconds, said), (few, said_of_few) = start(large), start(small)
        print(
            f"start: {seconds:.1f} s, {said}; with {_CHUNKS} chunks: {few:.1f} s, {said_of_few}", flush=True
        )


if __name__ == "__main__":
    main()
