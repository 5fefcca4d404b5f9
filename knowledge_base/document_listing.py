"""The documents of a knowledge base, a part at a time: a long list costs no more than what is shown."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from knowledge_base import document_rows
from knowledge_base.catalogue import Catalogue
from knowledge_base.names import normalised
from knowledge_base.tables import document_names, documents
from knowledge_base.types import DocumentInfo, DocumentState


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some of the documents looked for, and how many there are of them altogether."""

    documents: list[DocumentInfo]
    total: int


class DocumentListing:
    """Lists documents by name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def page(
        self,
        knowledge_base: str,
        *,
        limit: int | None = None,
        offset: int = 0,
        name: str = "",
        state: DocumentState | None = None,
    ) -> DocumentPage:
        """At most `limit` documents after the first `offset`, those in one of whose names `name` stands.

        Upper and lower case of Latin letters are alike. Raises `KnowledgeBaseNotFoundError`.
        """
        key = self._catalogue.key(knowledge_base)
        wanted: list[ColumnElement[bool]] = [documents.c.knowledge_base_id == key.id]
        if name := normalised(name):
            named = select(document_names.c.document_id).where(
                document_names.c.knowledge_base_id == key.id,
                document_names.c.name.icontains(name, autoescape=True),
            )
            wanted.append(documents.c.id.in_(named))
        if state is not None:
            problems = func.json_array_length(documents.c.problems)
            wanted.append(problems == 0 if state == "ready" else problems > 0)
        with self._catalogue.database.read() as connection:
            total = connection.execute(select(func.count()).select_from(documents).where(*wanted)).scalar()
            found = document_rows.infos(connection, *wanted, limit=limit, offset=offset)
        return DocumentPage(found, total or 0)
