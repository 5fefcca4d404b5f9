"""Chunks changed, switched off, added and deleted by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sqlalchemy import Connection, update

from knowledge_base import chunk_edits, chunk_values, document_rows, searched_chunks
from knowledge_base.catalogue import Catalogue, note_change
from knowledge_base.chunk_edits import ChunkEdit
from knowledge_base.clock import now
from knowledge_base.embedders import Embedders
from knowledge_base.errors import ChunkNotFoundError, EmbedderChangedError, InvalidChunkError
from knowledge_base.similarity import most_similar
from knowledge_base.tables import documents
from loaders.document import Chunk
from models.embedder import Embedder

PAGES = 1_000_000
"""The highest page that a chunk may be said to stand on."""
CHUNK_CHARACTERS = 2000
"""The longest text by hand: an embedder reads no more of it, and a prompt holds several."""


class Embed(Protocol):
    """Gives vectors of shape (dimension,) by `chunk_values.search_hash`, of this embedder."""

    def __call__(self, chunks: Sequence[Chunk], *, embedder: Embedder) -> dict[bytes, np.ndarray]:
        """Raises a `ModelError`."""
        ...


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk of a document; `edit` says what was changed of it by hand, if anything was."""

    id: int
    chunk: Chunk
    enabled: bool
    edit: ChunkEdit | None

    @property
    def edited(self) -> bool:
        """Whether its text was written by hand."""
        return self.edit is not None and self.edit.text is not None


class ChunkEditor:
    """Edits chunks; what is changed is found, or found no more, as soon as a method returns.

    Texts are embedded as those of their knowledge base are.
    Methods raise `KnowledgeBaseNotFoundError`, `DocumentNotFoundError`, `ChunkNotFoundError` and
    `EmbedderChangedError`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        embed: Embed,
        embedders: Embedders,
    ) -> None:
        self._catalogue = catalogue
        self._database = catalogue.database
        self._embed = embed
        self._embedders = embedders

    def chunks(self, knowledge_base: str, document_id: str) -> list[StoredChunk]:
        """The document's chunks in order, those switched off among them."""
        key = self._catalogue.key(knowledge_base)
        with self._database.read() as connection:
            document_rows.info(connection, key.id, document_id)
            return _stored(connection, document_id)

    def chunk(self, knowledge_base: str, document_id: str, chunk_id: int) -> StoredChunk:
        """One chunk, by its id or by one that it had before it was edited."""
        return _find(self.chunks(knowledge_base, document_id), chunk_id)

    def edits(self, knowledge_base: str, document_id: str) -> list[ChunkEdit]:
        """What was changed of the document by hand, oldest first; those in conflict wait for a decision."""
        key = self._catalogue.key(knowledge_base)
        with self._database.read() as connection:
            document_rows.info(connection, key.id, document_id)
            return chunk_edits.of_document(connection, document_id)

    def suggestions(self, knowledge_base: str, document_id: str) -> dict[int, tuple[int, float]]:
        """For edits in conflict, by id: the chunk most like the one it was about, and how like (0 to 1)."""
        key = self._catalogue.key(knowledge_base)
        with self._database.read() as connection:
            document_rows.info(connection, key.id, document_id)
            conflicts = [e for e in chunk_edits.of_document(connection, document_id) if e.conflict]
            # What was edited since is settled.
            texts = {c.id: c.chunk.text for c in _stored(connection, document_id) if c.edit is None}
        found = {edit.id: most_similar(edit.original.text, texts) for edit in conflicts}
        return {edit_id: suggestion for edit_id, suggestion in found.items() if suggestion is not None}

    def change(
        self,
        knowledge_base: str,
        document_id: str,
        chunk_id: int,
        *,
        text: str | None = None,
        enabled: bool | None = None,
    ) -> StoredChunk:
        """Give a chunk another text, or switch it off or on. With another text it has another id; the
        old one leads to it as well.

        Raises `InvalidChunkError` for a text that is empty or longer than `CHUNK_CHARACTERS`.
        """
        text = None if text is None else _checked(text)
        found = self.chunk(knowledge_base, document_id, chunk_id)
        texts = [] if text is None else [chunk_edits.by_hand(found.chunk, text)]

        def edit(connection: Connection) -> int:
            chunk = _find(_stored(connection, document_id), chunk_id)
            edit_id = _change(connection, document_id, chunk, text=text, enabled=enabled)
            if text is not None:
                former = chunk.edit.former_ids if chunk.edit else ()
                chunk_edits.change(connection, edit_id, former_ids=[*former, chunk.id])
            return edit_id

        return self._edited(knowledge_base, document_id, texts, edit)

    def add(
        self,
        knowledge_base: str,
        document_id: str,
        text: str,
        *,
        page: int | None = None,
        heading_path: Sequence[str] = (),
    ) -> StoredChunk:
        """Add a chunk at the document's end. Raises `InvalidChunkError`."""
        if page is not None and not 1 <= page <= PAGES:
            raise InvalidChunkError(f"a page is one from 1 to {PAGES}", maximum=PAGES)
        original = Chunk(0, 0, _checked(text), page, tuple(heading_path))

        def edit(connection: Connection) -> int:
            return chunk_edits.add(connection, document_id, "added", original, text=original.text)

        return self._edited(knowledge_base, document_id, [original], edit)

    def delete(self, knowledge_base: str, document_id: str, chunk_id: int) -> None:
        """Delete a chunk; it does not come again when the file is read again."""

        def edit(connection: Connection) -> None:
            _delete(connection, document_id, _find(_stored(connection, document_id), chunk_id))

        self._apply(knowledge_base, document_id, [], edit)

    def discard(self, knowledge_base: str, document_id: str, edit_id: int) -> None:
        """Take back an edit: the chunk is as it was read, or what conflicts is forgotten."""
        edit = self._edit(knowledge_base, document_id, edit_id)
        self._apply(
            knowledge_base,
            document_id,
            [] if edit.kind == "added" else [edit.original],
            lambda connection: chunk_edits.remove(connection, edit_id),
        )

    def keep(
        self, knowledge_base: str, document_id: str, edit_id: int, *, chunk_id: int | None = None
    ) -> None:
        """Settle a conflict for the edit: it is made of the chunk `chunk_id`, or its text is added.

        Raises `InvalidChunkError` where there is no text to be added, and `ChunkNotFoundError` also
        where the edit is in no conflict.
        """
        edit = self._edit(knowledge_base, document_id, edit_id)
        if chunk_id is None and edit.text is None:
            raise InvalidChunkError("say which chunk the edit is about now", id=edit_id)
        texts = []
        if edit.text is not None:
            chunk = (
                edit.original if chunk_id is None else self.chunk(knowledge_base, document_id, chunk_id).chunk
            )
            texts.append(chunk_edits.by_hand(chunk, edit.text))

        def settle(connection: Connection) -> None:
            if not any(
                e.id == edit_id and e.conflict for e in chunk_edits.of_document(connection, document_id)
            ):
                raise ChunkNotFoundError(f"there is no conflict {edit_id}", id=edit_id)
            if chunk_id is None:
                added = chunk_edits.by_hand(edit.original, edit.text or "")
                chunk_edits.add(connection, document_id, "added", added, text=edit.text, enabled=edit.enabled)
            else:
                chunk = _find(_stored(connection, document_id), chunk_id)
                if edit.kind == "deleted":
                    _delete(connection, document_id, chunk)
                else:
                    _change(connection, document_id, chunk, text=edit.text, enabled=edit.enabled)
            chunk_edits.remove(connection, edit_id)

        self._apply(knowledge_base, document_id, texts, settle)

    def _edit(self, knowledge_base: str, document_id: str, edit_id: int) -> ChunkEdit:
        for edit in self.edits(knowledge_base, document_id):
            if edit.id == edit_id:
                return edit
        raise ChunkNotFoundError(f"there is no edit {edit_id}", id=edit_id)

    def _edited(
        self,
        knowledge_base: str,
        document_id: str,
        texts: Sequence[Chunk],
        edit: Callable[[Connection], int],
    ) -> StoredChunk:
        edit_id = self._apply(knowledge_base, document_id, texts, edit)
        chunks = self.chunks(knowledge_base, document_id)
        return next(chunk for chunk in chunks if chunk.edit is not None and chunk.edit.id == edit_id)

    def _apply(
        self,
        knowledge_base: str,
        document_id: str,
        texts: Sequence[Chunk],
        edit: Callable[[Connection], Any],
    ) -> Any:
        """Embed `texts`, change the edits by `edit`, and lay them over the document's chunks anew."""
        key = self._catalogue.key(knowledge_base)
        embedder = self._embedders.of(key)
        vectors = self._embed(texts, embedder=embedder) if texts else {}
        with self._database.write() as connection:
            present = self._catalogue.locked(connection, key)
            if present.embedder not in {"", embedder.fingerprint}:
                raise EmbedderChangedError(f"{key.name!r} was rebuilt meanwhile", name=key.name)
            document_rows.info(connection, key.id, document_id)
            read = [chunk for _, chunk in as_read(connection, document_id)]
            result = edit(connection)
            document_rows.lay_edits(
                connection,
                key.id,
                document_id,
                read,
                vectors,
                embedder=embedder.fingerprint,
                generation=present.generation,
            )
            connection.execute(
                update(documents)
                .where(documents.c.id == document_id)
                .values(revision=documents.c.revision + 1, updated_at=now())
            )
            note_change(connection, key.id, embedder=embedder.fingerprint)
        return result


def _stored(connection: Connection, document_id: str) -> list[StoredChunk]:
    edits = {edit.id: edit for edit in chunk_edits.of_document(connection, document_id)}
    return [
        StoredChunk(row.id, chunk_values.to_chunk(row), row.enabled, edits.get(row.edit_id))
        for row in searched_chunks.document_chunks(connection, document_id)
    ]


def as_read(connection: Connection, document_id: str) -> list[tuple[int | None, Chunk]]:
    """The document's chunks as they were read from its file, with the ids of those that are stored."""
    found: list[tuple[int | None, Chunk]] = []
    for item in _stored(connection, document_id):
        if item.edit is None:
            found.append((item.id, item.chunk))
        elif item.edit.kind == "changed":
            found.append((item.id, item.edit.original))
    found.extend(
        (None, edit.original)
        for edit in chunk_edits.of_document(connection, document_id)
        if edit.kind == "deleted" and not edit.conflict
    )
    return sorted(found, key=lambda item: (item[1].start, item[1].end))


def _delete(connection: Connection, document_id: str, chunk: StoredChunk) -> None:
    if chunk.edit is None:
        occurrence = _occurrence(connection, document_id, chunk.id)
        chunk_edits.add(connection, document_id, "deleted", chunk.chunk, occurrence=occurrence)
    elif chunk.edit.kind == "added":
        chunk_edits.remove(connection, chunk.edit.id)
    else:
        chunk_edits.change(connection, chunk.edit.id, kind="deleted", text=None)


def _change(
    connection: Connection, document_id: str, chunk: StoredChunk, *, text: str | None, enabled: bool | None
) -> int:
    if chunk.edit is None:
        return chunk_edits.add(
            connection,
            document_id,
            "changed",
            chunk.chunk,
            text=text,
            enabled=chunk.enabled if enabled is None else enabled,
            occurrence=_occurrence(connection, document_id, chunk.id),
        )
    values: dict[str, Any] = {} if enabled is None else {"enabled": enabled}
    if text is not None:
        as_read = chunk.edit.kind == "changed" and text == chunk.edit.original.text
        values["text"] = None if as_read else text
    chunk_edits.change(connection, chunk.edit.id, **values)
    return chunk.edit.id


def _occurrence(connection: Connection, document_id: str, chunk_id: int) -> int:
    """How many chunks with the same text, as read, come before this one."""
    read = as_read(connection, document_id)
    which = chunk_edits.occurrences(chunk for _, chunk in read)
    return next(n for (id, _), (_, n) in zip(read, which, strict=True) if id == chunk_id)


def _find(chunks: Sequence[StoredChunk], chunk_id: int) -> StoredChunk:
    for chunk in chunks:
        if chunk.id == chunk_id:
            return chunk
    for chunk in chunks:  # cited before it was edited
        if chunk.edit is not None and chunk_id in chunk.edit.former_ids:
            return chunk
    raise ChunkNotFoundError(f"there is no chunk {chunk_id}", id=chunk_id)


def _checked(text: str) -> str:
    text = text.strip()
    if not text or len(text) > CHUNK_CHARACTERS:
        raise InvalidChunkError(f"a chunk has 1 to {CHUNK_CHARACTERS} characters", maximum=CHUNK_CHARACTERS)
    return text
