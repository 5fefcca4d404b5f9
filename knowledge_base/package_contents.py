"""Whether what an exported knowledge base says of itself holds together; asked before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from knowledge_base.errors import PackageError
from knowledge_base.package_files import PackageReader, Progress, checksum_error
from knowledge_base.package_records import (
    CHUNKS,
    DOCUMENTS,
    FILES,
    FORMAT,
    VECTORS,
    ChunkRecord,
    DocumentRecord,
    KnowledgeBaseManifest,
    is_member,
    parsed,
)
from loaders.errors import LoadingCancelledError

_BATCH = 1_000
_UNIT = 0.01
"""How far from 1 the length of a vector may be."""


class KnowledgeBasePackage(PackageReader):
    """An exported knowledge base, read back. Its memory grows with the documents, not with the chunks."""

    def __init__(self, file: Path | BinaryIO) -> None:
        super().__init__(file, format=FORMAT, allowed=is_member)
        try:
            self.manifest = parsed(KnowledgeBaseManifest, self.manifest_data)
            self._check_claims()
        except BaseException:
            self.close()
            raise

    def documents(self) -> Iterator[DocumentRecord]:
        """The documents, one at a time."""
        for line in self.lines(DOCUMENTS):
            yield parsed(DocumentRecord, line)

    def chunks(self) -> Iterator[tuple[ChunkRecord, np.ndarray]]:
        """The chunks, each with its vector of shape (dimension,), float32."""
        rows = (row for block in self._vectors() for row in block)
        for line in self.lines(CHUNKS):
            yield parsed(ChunkRecord, line), next(rows)

    def check(self, *, progress: Progress, cancelled: Callable[[], bool]) -> None:
        """Read all of it. Raises `PackageError`, and `LoadingCancelledError`."""
        self.verify(self.manifest.members, progress=progress, cancelled=cancelled)
        edits = self._check_documents()
        for block in self._vectors():
            lengths = np.linalg.norm(block.astype(np.float64), axis=1)
            if not np.all(np.abs(lengths - 1) < _UNIT):  # also where they are no numbers
                raise _wrong("package_vectors")
        count = 0
        for count, line in enumerate(self.lines(CHUNKS), 1):
            if count % _BATCH == 0 and cancelled():
                raise LoadingCancelledError("cancelled while checking")
            chunk = parsed(ChunkRecord, line)
            known = edits.get(chunk.document)
            if known is None or (chunk.edit is not None and chunk.edit not in known):
                raise _wrong("package_references")
        if count != self.manifest.chunks:
            raise _wrong("package_counts")

    def _check_claims(self) -> None:
        """What can be known from the manifest and the sizes alone."""
        manifest = self.manifest
        self.expect(manifest.members)
        for name in (DOCUMENTS, CHUNKS, VECTORS):
            if name not in manifest.members:
                raise PackageError(f"no {name}", finding="package_missing", member=name)
        dimension = manifest.embedder.dimension if manifest.embedder else 0
        if bool(manifest.chunks) != bool(manifest.embedder):
            raise _wrong("package_counts")
        if manifest.members[VECTORS].size != manifest.chunks * dimension * 4:
            raise _wrong("package_counts")

    def _check_documents(self) -> dict[str, set[int]]:
        """Check the documents against each other and the files; ids of the edits by those of documents."""
        edits: dict[str, set[int]] = {}
        seen_edits: set[int] = set()
        names: set[str] = set()
        files = {name for name in self.manifest.members if name.startswith(FILES)}
        unused = set(files)
        for document in self.documents():
            own = {name.name for name in document.names}
            if document.id in edits or len(own) != len(document.names) or own & names:
                raise _wrong("package_repeated")
            if document.name not in own:
                raise _wrong("package_references")
            names |= own
            numbers = {edit.id for edit in document.edits}
            versions = {version.number for version in document.versions}
            if len(numbers) != len(document.edits) or numbers & seen_edits:
                raise _wrong("package_repeated")
            if len(versions) != len(document.versions):
                raise _wrong("package_repeated")
            seen_edits |= numbers
            edits[document.id] = numbers
            member = FILES + document.sha256
            if member not in files:
                raise PackageError(f"no {member}", finding="package_missing", member=member)
            content = self.manifest.members[member]
            if content.sha256 != document.sha256 or content.size != document.size:
                raise checksum_error(member)
            unused.discard(member)
        for member in sorted(unused):
            raise PackageError(f"{member} is of no document", finding="package_extra", member=member)
        if len(edits) != self.manifest.documents:
            raise _wrong("package_counts")
        return edits

    def _vectors(self) -> Iterator[np.ndarray]:
        """The vectors in blocks of shape (up to 1,000, dimension), float32."""
        if self.manifest.embedder is not None:
            dimension = self.manifest.embedder.dimension
            for block in self.blocks(VECTORS, _BATCH * dimension * 4):
                yield np.frombuffer(block, dtype="<f4").reshape(-1, dimension)


def _wrong(finding: str) -> PackageError:
    return PackageError(f"the package contradicts itself: {finding}", finding=finding)
