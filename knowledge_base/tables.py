"""The catalogue's tables. Changing one needs a migration in `knowledge_base/migrations`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

knowledge_bases = Table(
    "knowledge_bases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
    Column("created_at", DateTime, nullable=False),
    # Counts the commits that changed chunks; an index cache is current when it has seen the same number.
    Column("revision", Integer, nullable=False, default=0),
    # Embedder whose vectors the knowledge base holds; empty until the first document.
    Column("embedder", String, nullable=False, default=""),
    sqlite_autoincrement=True,
)

documents = Table(
    "documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("knowledge_base_id", ForeignKey("knowledge_bases.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("format", String, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("problems", JSON, nullable=False),
    # What the text went through (parser and splitter settings): other settings mean parsing again.
    Column("pipeline", String, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False),
    UniqueConstraint("knowledge_base_id", "name"),
    Index("ix_documents_sha256", "sha256"),
)

chunks = Table(
    "chunks",
    metadata,
    # Never used twice, so that an index cache cannot mistake a new chunk for an old one.
    Column("id", Integer, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("knowledge_base_id", ForeignKey("knowledge_bases.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("header", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("heading_path", JSON, nullable=False),
    Column("lines", JSON, nullable=False),
    Column("search_hash", LargeBinary(16), nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Index("ix_chunks_knowledge_base_id_id", "knowledge_base_id", "id"),
    Index("ix_chunks_search_hash", "search_hash"),
    sqlite_autoincrement=True,
)

vectors = Table(
    "vectors",
    metadata,
    Column("chunk_id", ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True),
    Column("embedder", String, nullable=False),
    # float32, little endian, unit length
    Column("vector", LargeBinary, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("knowledge_base_id", ForeignKey("knowledge_bases.id", ondelete="CASCADE"), nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("stage", String, nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("cancelled", Boolean, nullable=False, default=False),
    Column("created_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False),
)

job_files = Table(
    "job_files",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("document_id", String),
    # The failure lay outside the file, which is kept for another try.
    Column("retryable", Boolean, nullable=False),
    Column("problems", JSON, nullable=False),
)
