"""The keyword arm: BM25 over Chinese characters, character pairs and words, with tantivy."""

from __future__ import annotations

import json
import shutil
import threading
import weakref
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from vectorstore.base import Frequency
from vectorstore.chinese import fold, terms
from vectorstore.errors import IndexFilesError
from vectorstore.scratch import scratch_folder

WRITER_BYTES = 15_000_000
"""Memory that tantivy may fill before it writes a segment; its minimum."""


class KeywordIndex:
    """Terms to ids, on disk; the folded text and context of every entry are kept beside them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._folder = scratch_folder()
        self._cleaner = weakref.finalize(self, shutil.rmtree, str(self._folder), ignore_errors=True)
        if folder is not None:
            _copy_files(folder, self._folder)
        self._index = _open(self._folder)
        self._writer: Any = None

    def add(self, ids: Sequence[int], texts: Sequence[str], contexts: Sequence[str] = ()) -> None:
        """Add or replace entries, which are found by the terms of their contexts too."""
        import tantivy

        documents = []
        folded_contexts = {context: fold(context) for context in set(contexts)}
        for entry, text, context in zip(ids, texts, contexts or [""] * len(ids), strict=True):
            folded, around = fold(text), folded_contexts.get(context, "")
            document = tantivy.Document()
            document.add_integer("id", entry)
            document.add_text("terms", " ".join(terms(f"{around}\n{folded}")))
            document.add_bytes("text", folded.encode())
            document.add_bytes("context", around.encode())
            documents.append(document)
        with self._lock:
            writer = self._open_writer()
            for entry in ids:
                writer.delete_documents_by_term("id", entry)
            for document in documents:
                writer.add_document(document)
            writer.commit()
            self._index.reload()

    def remove(self, ids: Iterable[int]) -> None:
        """Remove entries; unknown ids are passed over."""
        with self._lock:
            writer = self._open_writer()
            for entry in ids:
                writer.delete_documents_by_term("id", entry)
            writer.commit()
            self._index.reload()

    def _open_writer(self) -> Any:
        if self._writer is None:
            self._writer = self._index.writer(WRITER_BYTES, 1)
        return self._writer

    def frequency(self) -> Frequency:
        """A function from a term to the number of entries that hold it, and of all entries."""
        searcher = self._index.searcher()
        total = searcher.num_docs
        return lambda term: (searcher.doc_freq("terms", term), total)

    def search(
        self, query: Sequence[str], k: int, allowed: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """The `k` best entries for the terms by BM25, best first.

        Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
        """
        import tantivy

        if not query or k <= 0:
            return []
        schema = self._index.schema
        should = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema, "terms", term, index_option="freq"))
            for term in query
        ]
        wanted = tantivy.Query.boolean_query(should)
        if allowed is not None:
            inside = tantivy.Query.const_score_query(
                tantivy.Query.term_set_query(schema, "id", list(allowed)), 0.0
            )
            wanted = tantivy.Query.boolean_query([(tantivy.Occur.Must, wanted), (tantivy.Occur.Must, inside)])
        searcher = self._index.searcher()
        hits = searcher.search(wanted, k, count=False).hits
        ids = searcher.fast_field_values("id", [address for _, address in hits])
        return [(int(i), float(score)) for i, (score, _) in zip(ids, hits, strict=True)]

    def texts(self, ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """The folded text and context of each of `ids` that is in the index."""
        import tantivy

        if not ids:
            return {}
        searcher = self._index.searcher()
        query = tantivy.Query.term_set_query(self._index.schema, "id", list(ids))
        addresses = [address for _, address in searcher.search(query, len(ids), count=False).hits]
        found = searcher.fast_field_values("id", addresses)
        stored = (searcher.doc(address) for address in addresses)
        return {
            int(i): (document["text"][0].decode(), document["context"][0].decode())
            for i, document in zip(found, stored, strict=True)
        }

    def write(self, folder: Path) -> None:
        """Put the index's files into an empty `folder`."""
        with self._lock:
            _copy_files(self._folder, folder)


def _schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("id", indexed=True, fast=True)
    builder.add_text_field("terms", tokenizer_name="whitespace", index_option="freq")
    builder.add_bytes_field("text", stored=True)
    builder.add_bytes_field("context", stored=True)
    return builder.build()


def _open(folder: Path) -> Any:
    import tantivy

    try:
        return tantivy.Index(_schema(), path=str(folder))
    except ValueError as error:
        raise IndexFilesError(f"the keyword files in {folder} cannot be read: {error}") from error


def _copy_files(source: Path, target: Path) -> None:
    """Make `target` a copy of the index in `source`.

    No link: tantivy maps its files into memory, and a process dies when somebody cuts such a file
    short. A merge in the background may take a segment away between reading the list and copying;
    the list is then read again.
    """
    for _ in range(100):
        try:
            meta = (source / "meta.json").read_bytes()
            segments = [segment["segment_id"].replace("-", "") for segment in json.loads(meta)["segments"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexFilesError(f"the keyword files in {source} cannot be read: {error}") from error
        names = [path.name for path in source.iterdir() if path.name.split(".")[0] in segments]
        try:
            for name in names:
                if not (target / name).exists():  # segments never change
                    shutil.copyfile(source / name, target / name)
        except FileNotFoundError:
            continue
        (target / ".managed.json").write_text(json.dumps([*names, "meta.json"]), encoding="utf-8")
        (target / "meta.json").write_bytes(meta)
        return
    raise IndexFilesError(f"the keyword files in {source} keep changing")
