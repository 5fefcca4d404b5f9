"""Retrieval in LangChain's interface, for chains that others build."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from knowledge_base.retrieval import Retriever


class KnowledgeBaseRetriever(BaseRetriever):
    """Finds passages as LangChain `Document`s.

    Metadata: `relevance` in [0, 1], `knowledge_base`, `document`, `document_id`, `chunk_id`,
    `page` and `heading_path`.
    """

    retriever: Any
    """A `Retriever`; `Any` because pydantic cannot check it."""
    knowledge_bases: list[str]
    top_k: int = 5
    threshold: float = 0.5

    def __init__(self, retriever: Retriever, knowledge_bases: list[str], **options: Any) -> None:
        super().__init__(retriever=retriever, knowledge_bases=knowledge_bases, **options)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the interface asks for it
    ) -> list[Document]:
        found = self.retriever.search(query, self.knowledge_bases, top_k=self.top_k, threshold=self.threshold)
        return [
            Document(
                page_content=hit.text,
                metadata={
                    "relevance": hit.score,
                    "knowledge_base": hit.knowledge_base,
                    "document": hit.document,
                    "document_id": hit.document_id,
                    "chunk_id": hit.chunk_id,
                    "page": hit.page,
                    "heading_path": list(hit.heading_path),
                },
            )
            for hit in found.hits
        ]
