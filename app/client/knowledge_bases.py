"""Knowledge bases and their documents, from a client."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from app import schemas
from app.client.requests import Requests, given, path_of
from app.replies import Upload

File = Path | tuple[str, bytes | BinaryIO]
"""A file to upload: where it lies, or its name and what is in it."""

_BASES = "knowledge-bases"


class KnowledgeBases:
    """Knowledge bases and their documents."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def list(self) -> Sequence[schemas.KnowledgeBase]:
        """Those that the key sees, by name."""
        found = self._requests.request("GET", path_of(_BASES)).json()["knowledge_bases"]
        return [schemas.KnowledgeBase.model_validate(each) for each in found]

    def get(self, name: str) -> schemas.KnowledgeBase:
        """One of them."""
        return schemas.KnowledgeBase.model_validate_json(
            self._requests.request("GET", path_of(_BASES, name)).content
        )

    def create(self, name: str, *, description: str = "") -> schemas.KnowledgeBase:
        """Make an empty one."""
        body = {"name": name, "description": description}
        reply = self._requests.request("POST", path_of(_BASES), json=body)
        return schemas.KnowledgeBase.model_validate_json(reply.content)

    def change(
        self,
        name: str,
        *,
        new_name: str | None = None,
        description: str | None = None,
        prompt: str | None = None,
    ) -> schemas.KnowledgeBase:
        """Rename or describe it, or give it a prompt of its own."""
        body = given(name=new_name, description=description, prompt=prompt)
        reply = self._requests.request("PATCH", path_of(_BASES, name), json=body)
        return schemas.KnowledgeBase.model_validate_json(reply.content)

    def delete(self, name: str) -> None:
        """Delete it with all its documents."""
        self._requests.request("DELETE", path_of(_BASES, name))

    def upload(self, name: str, files: Iterable[File]) -> Upload:
        """Upload files; `Jobs.wait` tells when they can be found.

        Files that cannot be read at all are `rejected`; when all are, the first one's error is raised.
        """
        return self._sent("POST", path_of(_BASES, name, "documents"), files)

    def replace(self, name: str, document_id: str, file: File) -> Upload:
        """Give a document other bytes; its id stays."""
        return self._sent("PUT", path_of(_BASES, name, "documents", document_id), [file])

    def documents(
        self,
        name: str,
        *,
        limit: int | None = None,
        offset: int | None = None,
        query: str | None = None,
        state: str | None = None,
    ) -> Sequence[schemas.StoredDocument]:
        """Its documents by name: all, or `limit` after the first `offset`.

        `query` chooses those with it in their name, `state` (`ready`, `ready_with_problems`) those
        that are so.
        """
        wanted = given(limit=limit, offset=offset, query=query, state=state)
        reply = self._requests.request("GET", path_of(_BASES, name, "documents"), params=wanted)
        found = reply.json()["documents"]
        return [schemas.StoredDocument.model_validate(each) for each in found]

    def document(self, name: str, document_id: str) -> schemas.StoredDocument:
        """One document."""
        reply = self._requests.request("GET", path_of(_BASES, name, "documents", document_id))
        return schemas.StoredDocument.model_validate_json(reply.content)

    def change_document(
        self, name: str, document_id: str, *, new_name: str | None = None, move_to: str | None = None
    ) -> schemas.StoredDocument:
        """Rename a document, or move it into another knowledge base."""
        body = given(name=new_name, knowledge_base=move_to)
        reply = self._requests.request("PATCH", path_of(_BASES, name, "documents", document_id), json=body)
        return schemas.StoredDocument.model_validate_json(reply.content)

    def delete_document(self, name: str, document_id: str) -> None:
        """Delete a document; it is found no more once this returns."""
        self._requests.request("DELETE", path_of(_BASES, name, "documents", document_id))

    def content(self, name: str, document_id: str) -> bytes:
        """The file as it was given."""
        return self._requests.request(
            "GET", path_of(_BASES, name, "documents", document_id, "content")
        ).content

    def chunks(self, name: str, document_id: str) -> Sequence[schemas.Chunk]:
        """A document's chunks in order."""
        found = self._requests.request(
            "GET", path_of(_BASES, name, "documents", document_id, "chunks")
        ).json()["chunks"]
        return [schemas.Chunk.model_validate(each) for each in found]

    def _sent(self, method: str, path: str, files: Iterable[File]) -> Upload:
        opened: list[BinaryIO] = []
        try:
            parts: list[tuple[str, tuple[str, bytes | BinaryIO]]] = []
            for file in files:
                if isinstance(file, Path):
                    opened.append(file.open("rb"))
                    parts.append(("files", (file.name, opened[-1])))
                else:
                    parts.append(("files", file))
            reply = self._requests.request(method, path, files=parts)
        finally:
            for stream in opened:
                stream.close()
        return Upload.model_validate_json(reply.content)
