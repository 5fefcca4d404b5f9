"""What an exported knowledge base is made of: its manifest, and one JSON object a line for the rest.

Chunks stand in the order of their ids; row `i` of `vectors.f32` (float32, little endian) is the
vector of chunk `i`. The files are named by the SHA-256 of their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
)

from knowledge_base import chunk_values
from knowledge_base.errors import InvalidNameError, PackageError
from knowledge_base.names import document_name
from knowledge_base.package_files import Manifest
from loaders.document import Chunk

FORMAT = "zhiwen-knowledge-base"
DOCUMENTS = "documents.jsonl"
CHUNKS = "chunks.jsonl"
VECTORS = "vectors.f32"
FILES = "files/"

_Kind = TypeVar("_Kind", bound=BaseModel)

_FILE = re.compile(r"files/[0-9a-f]{64}")
_INTEGER = 2**63 - 1
_TEXT = 10_000_000


def is_member(name: str) -> bool:
    """Whether an exported knowledge base may have a member of this name."""
    return name in {DOCUMENTS, CHUNKS, VECTORS} or _FILE.fullmatch(name) is not None


def _stored_name(name: str) -> str:
    try:
        if document_name(name) == name:
            return name
    except InvalidNameError as error:
        raise ValueError(str(error)) from error
    raise ValueError("not the spelling under which names are stored")


def _encodable(text: str) -> str:
    text.encode()  # halves of surrogate pairs, which JSON can write, cannot be stored
    return text


Count = Annotated[int, Field(ge=0, le=_INTEGER)]
Text = Annotated[str, Field(max_length=_TEXT), AfterValidator(_encodable)]
Name = Annotated[str, AfterValidator(_stored_name)]
Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
DocumentId = Annotated[str, Field(pattern=r"\A[0-9A-Za-z_-]{1,64}\z")]
Moment = Annotated[
    datetime,
    BeforeValidator(lambda value: datetime.fromisoformat(value) if isinstance(value, str) else value),
    AfterValidator(lambda value: value.replace(tzinfo=None)),
]
PlacedLine = Annotated[
    tuple[Count, Count, Count, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]
"""Start, end, page, and the box on it."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EmbedderRecord(_Record):
    """Whose vectors these are."""

    fingerprint: Text
    dimension: Annotated[int, Field(ge=1, le=1 << 16)]


class SettingsRecord(_Record):
    """What a knowledge base has of its own."""

    prompt: Text = ""


class KnowledgeBaseManifest(Manifest):
    """The manifest of an exported knowledge base."""

    name: Text
    description: Text
    settings: SettingsRecord
    knowledge_base_created_at: Moment
    embedder: EmbedderRecord | None
    """None where there is no chunk."""
    documents: Count
    chunks: Count


class ProblemRecord(_Record):
    """A `loaders.document.Problem`."""

    code: Text
    message: Text
    page: Count | None = None
    details: dict[str, str | int | float | bool | None] = Field(default_factory=dict)


class NameRecord(_Record):
    """One of a document's names. The folder that a mirror found it in is this machine's alone."""

    name: Name
    created_at: Moment


class VersionRecord(_Record):
    """What a document has been."""

    number: Annotated[int, Field(ge=1, le=_INTEGER)]
    name: Name
    sha256: Sha256
    size: Count
    pages: Count
    chunks: Count
    created_at: Moment


class ChunkFields(_Record):
    """A chunk without its place among the others; see `chunk_values.to_values`."""

    start: Count
    end: Count
    page: Count | None
    kind: Literal["heading", "paragraph", "list", "table", "faq", "code"]
    text: Text
    header: Text
    question: Text
    heading_path: list[Text]
    lines: list[PlacedLine]

    def chunk(self) -> Chunk:
        """The chunk itself."""
        return chunk_values.from_values(self.model_dump(include=set(ChunkFields.model_fields)))


class EditRecord(_Record):
    """What was changed by hand."""

    id: Count
    kind: Literal["changed", "added", "deleted"]
    text: Text | None
    enabled: bool
    original: ChunkFields
    occurrence: Count
    conflict: bool
    created_at: Moment
    updated_at: Moment


class DocumentRecord(_Record):
    """A document without its chunks."""

    id: DocumentId
    name: Name
    sha256: Sha256
    size: Count
    format: Text
    pages: Count
    problems: list[ProblemRecord]
    pipeline: Text
    created_at: Moment
    updated_at: Moment
    names: list[NameRecord]
    versions: list[VersionRecord]
    edits: list[EditRecord]


class ChunkRecord(ChunkFields):
    """A chunk of a document."""

    document: DocumentId
    position: Count
    enabled: bool
    edit: Count | None


def record_of(kind: type[_Kind], row: Mapping[str, Any], **others: Any) -> _Kind:
    """A record of a row, whose columns have the names of its fields. Raises `PackageError`."""
    values = {name: row[name] for name in kind.model_fields if name in row}
    try:
        return kind.model_validate(values | others)
    except ValidationError as error:
        raise _invalid(kind, error) from error


def parsed(kind: type[_Kind], data: bytes) -> _Kind:
    """A record read back. Raises `PackageError`."""
    try:
        return kind.model_validate_json(data)
    except (ValidationError, RecursionError) as error:
        raise _invalid(kind, error) from error


def _invalid(kind: type[BaseModel], error: Exception) -> PackageError:
    where = ""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        where = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return PackageError(
        f"{kind.__name__} is not valid: {where}", finding="package_record", member=kind.__name__, where=where
    )
