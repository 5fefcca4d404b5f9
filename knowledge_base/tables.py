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

IMPORT_OWNER = "import:"
"""What `knowledge_bases.session_id` begins with while an import fills it; the id of a lock follows."""

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
    # The generation of chunks that is searched; another may be in the making, and one kept.
    Column("generation", Integer, nullable=False, default=0, server_default="0"),
    # What this knowledge base has of its own instead of the application's settings, such as its prompt.
    Column("settings", JSON, nullable=False, default=dict, server_default="{}"),
    # The conversation whose files it holds, or "import:" and the lock of an import that is under way: it
    # is in no listing then. No reference that deletes it,
    # because its files and index have to go with it.
    Column("session_id", String, index=True),
    sqlite_autoincrement=True,
)

# What is not searched (yet, or any more): the generation that a rebuild makes, and the one before it.
generations = Table(
    "generations",
    metadata,
    Column("knowledge_base_id", ForeignKey("knowledge_bases.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    # "building" or "kept", at most one of each
    Column("state", String, nullable=False),
    Column("embedder", String, nullable=False),
    Column("pipeline", String, nullable=False),
    Column("created_at", DateTime, nullable=False),
)

# How the settings name each embedder whose vectors are held, so that it can be loaded again.
embedders = Table(
    "embedders",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("name", String, nullable=False),
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
    # Counts what changed its chunks, so that a rebuild sees what it has to read once more.
    Column("revision", Integer, nullable=False, default=0, server_default="0"),
    UniqueConstraint("knowledge_base_id", "name"),
    Index("ix_documents_sha256", "sha256"),
)

# Every name that a document is known by, `documents.name` among them.
document_names = Table(
    "document_names",
    metadata,
    Column("knowledge_base_id", ForeignKey("knowledge_bases.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    # The folder that a mirror found the file in; only that mirror takes the name away again.
    Column("origin", String),
    Column("created_at", DateTime, nullable=False),
)

# What a document has been, its present self last; of earlier ones only this is left.
document_versions = Table(
    "document_versions",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    # from 1
    Column("number", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("created_at", DateTime, nullable=False),
)

# What a document is in a generation that is not searched.
document_generations = Table(
    "document_generations",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", Integer, primary_key=True),
    # `documents.revision` that it was made from: with another one it is out of date.
    Column("revision", Integer, nullable=False),
    Column("format", String, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("problems", JSON, nullable=False),
    Column("pipeline", String, nullable=False),
    # Ids of the edits whose chunk is not among this generation's
    Column("conflicts", JSON, nullable=False),
)

# What people changed by hand; kept beside the chunks so that it survives reading the file again.
chunk_edits = Table(
    "chunk_edits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    # "changed" (its text, or whether it may be found), "added" or "deleted"
    Column("kind", String, nullable=False),
    # The text by hand; null where a chunk has its own and is only switched off, or deleted.
    Column("text", Text),
    Column("enabled", Boolean, nullable=False),
    # The chunk as it was read; of an added one, its page and headings.
    Column("original", JSON, nullable=False),
    # Which of the document's chunks it is about: digest of the text as read, and the how many-th of these.
    Column("original_hash", LargeBinary(16), nullable=False),
    Column("occurrence", Integer, nullable=False),
    # Ids that the chunk had before, which citations may still hold.
    Column("former_ids", JSON, nullable=False, default=list, server_default="[]"),
    # The chunk that it is about is no longer among the document's; somebody has to decide.
    Column("conflict", Boolean, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False),
    sqlite_autoincrement=True,
)

chunks = Table(
    "chunks",
    metadata,
    # Never used twice, so that an index cache cannot mistake a new chunk for an old one.
    Column("id", Integer, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("knowledge_base_id", ForeignKey("knowledge_bases.id", ondelete="CASCADE"), nullable=False),
    Column("generation", Integer, nullable=False, default=0, server_default="0"),
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
    # The `chunk_edits` row that made it what it is; SQLite cannot add a reference to a table.
    Column("edit_id", Integer, index=True),
    # Both hold all that counting and comparing ids needs, so that rows full of text need not be read.
    Index("ix_chunks_generation", "knowledge_base_id", "generation", "enabled", "id"),
    Index("ix_chunks_document", "document_id", "generation"),
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
    # "ingest" its files, or "rebuild" or "rollback" the knowledge base
    Column("kind", String, nullable=False, default="ingest", server_default="ingest"),
    Column("state", String, nullable=False, index=True),
    Column("stage", String, nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("cancelled", Boolean, nullable=False, default=False),
    Column("created_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False),
    # Jobs go by it, because the clock may be set back.
    Column("number", Integer, nullable=False, server_default="0", index=True),
    # The runner that works on it; empty while none does.
    Column("runner", String, nullable=False, default="", server_default=""),
    # Counts as in `JobProgress`
    Column("progress", JSON, nullable=False, default=dict, server_default="{}"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", DateTime, nullable=False),
    Column("kind", String, nullable=False),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)

# Which chunks were added, changed or deleted, in order, so that an index need not compare all of them.
# Triggers on `chunks` write it. Without a reference, because it outlives what it names.
chunk_changes = Table(
    "chunk_changes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("knowledge_base_id", Integer, nullable=False),
    Column("chunk_id", Integer, nullable=False),
    Index("ix_chunk_changes_knowledge_base_id", "knowledge_base_id", "number"),
    sqlite_autoincrement=True,
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

# Who may use the HTTP interface; a revoked key stays, because conversations name it as their owner.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    # "reader", "editor" or "admin"
    Column("role", String, nullable=False),
    # Ids of the knowledge bases that it may touch; null: all
    Column("knowledge_bases", JSON(none_as_null=True)),
    # SHA-256 of the secret
    Column("digest", LargeBinary(32), nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("revoked_at", DateTime),
)

# A conversation, over some knowledge bases or over files of its own.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    # The key of the API under which it was begun; null where no keys are used.
    Column("owner", String, index=True),
    Column("title", String, nullable=False),
    # Ids of the knowledge bases chosen
    Column("knowledge_bases", JSON, nullable=False),
    # What was chosen besides: model, threshold, number of passages, mode
    Column("settings", JSON, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False, index=True),
)

messages = Table(
    "messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    # from 0, in the order of the conversation, which the clock need not agree with
    Column("position", Integer, nullable=False),
    # "user" or "assistant"
    Column("role", String, nullable=False),
    # "complete", "stopped" or "failed"
    Column("state", String, nullable=False),
    Column("text", Text, nullable=False),
    # The question as it was searched, standing alone
    Column("question", Text, nullable=False),
    # As they were shown: document and page stay readable when the document is gone.
    Column("citations", JSON, nullable=False),
    # Which sentences of the answer are borne out, and by which passages
    Column("sentences", JSON, nullable=False, default=list, server_default="[]"),
    Column("refused", Boolean, nullable=False),
    Column("model", String, nullable=False),
    Column("timings", JSON, nullable=False),
    Column("created_at", DateTime, nullable=False),
    UniqueConstraint("session_id", "position"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    # 1 or -1
    Column("rating", Integer, nullable=False),
    # A code such as "wrong_source", or empty
    Column("reason", String, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", DateTime, nullable=False),
)
