"""Settings: defaults < `zhiwen.toml` < environment (`ZHIWEN_…`, nested with `__`) < arguments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.errors import SettingsError
from loaders.base import FaqColumns, Limits
from models.registry import ChatModelSpec

PREFIX = "ZHIWEN_"
CONFIG_VARIABLE = "ZHIWEN_CONFIG"
"""Names another file than ./zhiwen.toml; the one variable that is not a setting itself."""

_LIMITS = Limits()


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbedderSettings(_Section):
    """The model that turns text into vectors."""

    name: str = Field("default", description="default, a SentenceTransformer folder, or a hub name")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 …")
    threads: int | None = Field(None, ge=1, description="processor threads; unset: all cores")


class OcrSettings(_Section):
    """Recognition of text in pictures."""

    enabled: bool = Field(True, description="read scans and pictures in documents")
    detection_model: Path | None = Field(None, description="folder of another text detection model")
    recognition_model: Path | None = Field(None, description="folder of another text recognition model")


class FaqSettings(_Section):
    """Tables of questions and answers."""

    question_columns: list[str] = Field(
        [], description="names of the column of questions, besides the usual ones"
    )
    answer_columns: list[str] = Field(
        [], description="names of the column of answers, besides the usual ones"
    )

    def for_loaders(self) -> FaqColumns:
        """The names as the loaders take them."""
        return FaqColumns(questions=tuple(self.question_columns), answers=tuple(self.answer_columns))


def largest(section: type[BaseModel], name: str) -> int:
    """The most that a setting may be."""
    return next(int(limit.le) for limit in section.model_fields[name].metadata if hasattr(limit, "le"))


class SplitterSettings(_Section):
    """How documents are cut into chunks."""

    name: Literal["chinese", "recursive"] = Field(
        "chinese", description="chinese: by structure and sentence; recursive: LangChain's by characters"
    )
    chunk_size: int = Field(480, ge=50, le=4000, description="characters a chunk may hold")
    overlap: int = Field(80, ge=0, le=1000, description="characters that neighbouring chunks may share")


class RetrievalSettings(_Section):
    """What a search gives back."""

    top_k: int = Field(5, ge=1, le=100, description="passages an answer may use")
    reranker: Path | None = Field(None, description="folder of a CrossEncoder that orders the passages")
    synonyms: Path | None = Field(
        None, description="file of words that mean the same, a group a line, beside those that are known"
    )
    reading: bool = Field(
        True, description="passages that stay unsure are read together with the question, by a small model"
    )
    neighbours: bool = Field(False, description="passages bring the text before and after them")
    diversity: float = Field(
        0, ge=0, le=1, description="how far further passages of one document are put behind those of others"
    )
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="relevance below which a passage is not used; unset: the calibrated one",
    )


class AnsweringSettings(_Section):
    """Who writes the answers."""

    models: dict[str, ChatModelSpec] = Field(default_factory=dict, description="chat models by name")
    model: str = Field("quote", description="name of one of these models, or quote: quote the documents")
    prompts: dict[str, Path] = Field(
        default_factory=dict, description="folders of prompt files by knowledge base; *: all"
    )
    history_turns: int = Field(6, ge=0, description="earlier turns that a question may lean on")

    @field_validator("model")
    @classmethod
    def _is_named(cls, model: str, info: ValidationInfo) -> str:
        models = info.data.get("models")  # missing when it was wrong itself
        if models is not None and model not in {"quote", *models}:
            raise ValueError(f"there is no chat model {model!r} in answering.models")
        return model


class ServerSettings(_Section):
    """Where the pages and the HTTP interface listen."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(7860, ge=0, le=65535, description="port of the pages, with the interface beside them")
    api_port: int = Field(7861, ge=0, le=65535, description="port of the HTTP interface alone")
    allowed_hosts: list[str] = Field([], description="further names under which browsers reach the service")
    allowed_origins: list[str] = Field(
        [], description="web pages elsewhere that may use the interface, such as https://example.org"
    )
    drain_seconds: int = Field(20, ge=0, description="how long answers may go on when the service is stopped")
    open_without_keys: bool = Field(
        False, description="listen on other addresses than loopback though no key was made"
    )


class LoggingSettings(_Section):
    """What the service writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity written")
    format: Literal["text", "json"] = Field("text", description="lines for people, or JSON objects")
    private: bool = Field(
        False, description="write also what errors say, which may quote file names and documents"
    )


class JobSettings(_Section):
    """Background work."""

    at_once: int = Field(4, ge=1, le=64, description="jobs that are worked on at the same time")
    readers: int = Field(2, ge=1, le=64, description="processes that read files")
    patience_seconds: float = Field(
        30.0, ge=0, description="how long an embedder that is unavailable is tried again before a file fails"
    )
    keep: int = Field(1000, ge=0, description="ended jobs that are remembered")
    keep_days: float = Field(30.0, gt=0, description="how long they are remembered")


class LimitSettings(_Section):
    """Bounds that keep one request or file from taking the machine down."""

    file_bytes: int = Field(_LIMITS.file_bytes, ge=1, description="size of a file")
    pages: int = Field(_LIMITS.pages, ge=1, description="pages of a file")
    picture_pixels: int = Field(_LIMITS.picture_pixels, ge=1, description="pixels of a picture")
    archive_ratio: int = Field(
        _LIMITS.archive_ratio, ge=1, description="size of an unpacked archive by its own"
    )
    archive_depth: int = Field(_LIMITS.archive_depth, ge=0, description="archives inside archives")
    archive_files: int = Field(_LIMITS.archive_files, ge=1, description="files in an archive")
    table_rows: int = Field(_LIMITS.table_rows, ge=1, description="rows of a table")
    page_seconds: float = Field(120, gt=0, allow_inf_nan=False, description="time for reading one page")
    parser_memory_bytes: int = Field(
        3 << 30, ge=1 << 28, description="memory of the process that reads files"
    )
    files_per_upload: int = Field(200, ge=1, description="files in one upload")
    waiting_jobs: int = Field(1000, ge=1, description="jobs that may wait")
    package_bytes: int = Field(100 << 30, ge=1, description="size of an exported knowledge base over HTTP")
    request_bytes: int = Field(16 << 20, ge=1024, description="size of a request other than an upload")
    upload_bytes: int = Field(4 << 30, ge=1024, description="size of one upload with all its files")
    body_seconds: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="how long a request may send nothing of its body"
    )
    header_seconds: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="how long the head of a request may take to come"
    )
    requests_per_minute: int = Field(3000, ge=1, description="requests of one key in a minute")
    keys_tried_per_minute: int = Field(
        60, ge=1, description="different keys that one address may try in a minute"
    )
    generations: int = Field(32, ge=1, description="answers written at once")
    waiting_generations: int = Field(64, ge=0, description="answers that may wait for their turn")
    generation_wait_seconds: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="how long an answer may wait for its turn"
    )
    question_characters: int = Field(4000, ge=1, description="length of a question")

    def for_loaders(self) -> Limits:
        """The part that the loaders keep to."""
        return Limits(
            file_bytes=self.file_bytes,
            pages=self.pages,
            picture_pixels=self.picture_pixels,
            archive_ratio=self.archive_ratio,
            archive_depth=self.archive_depth,
            archive_files=self.archive_files,
            table_rows=self.table_rows,
        )


class Settings(BaseSettings):
    """All settings. Unknown keys are errors."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Path = Field(
        Path("data"), description="folder of documents, catalogue, indexes and model cache"
    )
    models_dir: Path | None = Field(
        None, description="folder of the models made from installed packages; unset: in the data folder"
    )
    language: Literal["auto", "zh", "en"] = Field("auto", description="language of messages")
    embedder: EmbedderSettings = EmbedderSettings()
    ocr: OcrSettings = OcrSettings()
    faq: FaqSettings = FaqSettings()
    splitter: SplitterSettings = SplitterSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answering: AnsweringSettings = AnsweringSettings()
    server: ServerSettings = ServerSettings()
    jobs: JobSettings = JobSettings()
    logging: LoggingSettings = LoggingSettings()
    limits: LimitSettings = LimitSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        return init_settings, env_settings, _toml(settings_cls)

    @property
    def models_folder(self) -> Path:
        """Where the models made from installed packages lie; it may be read-only once they are there."""
        return self.models_dir or self.data_dir / "models"


def load_settings(arguments: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings. Raises `SettingsError` naming the key and where it came from."""
    _reject_unknown_variables()
    try:
        return Settings(**(arguments or {}))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {key}: {first['msg']}", key=key, reason=first["msg"]) from error
    except ValueError as error:  # a variable that is not JSON
        raise SettingsError(f"settings cannot be read: {error}", key="", reason=str(error)) from error


def setting_sources(arguments: Mapping[str, Any] | None = None) -> dict[str, tuple[Any, str]]:
    """Each setting's dotted key with its value and where that came from."""
    settings = load_settings(arguments)
    given = {
        "argument": dict(_flatten(arguments or {})),
        "environment": dict(_flatten(EnvSettingsSource(Settings)())),
        str(_config_path()): dict(_flatten(_toml(Settings)())),
    }
    found = {}
    for key, value in _flatten(settings.model_dump(mode="json")):
        source = next((name for name, values in given.items() if key in values), "default")
        found[key] = (value, source)
    return found


def _config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE, "zhiwen.toml"))


def _toml(settings_cls: type[BaseSettings]) -> TomlConfigSettingsSource:
    """The file's values. Raises `SettingsError` when it is missing though named, or no TOML."""
    path = _config_path()
    if CONFIG_VARIABLE in os.environ and not path.is_file():
        raise SettingsError(
            f"{CONFIG_VARIABLE} names {path}, which is no file", key=CONFIG_VARIABLE, reason=str(path)
        )
    try:
        return TomlConfigSettingsSource(settings_cls, toml_file=path)
    except ValueError as error:
        raise SettingsError(f"{path} is not TOML: {error}", key=str(path), reason=str(error)) from error


def _reject_unknown_variables() -> None:
    # Nested names are checked by the models themselves; the library passes over unknown first parts.
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in os.environ:
        if (
            name.upper().startswith(PREFIX)
            and name != CONFIG_VARIABLE
            and name.upper().split("__")[0] not in known
        ):
            raise SettingsError(f"environment variable {name} is not a setting", key=name, reason="unknown")


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
