"""Settings: which source wins, where a value came from, and what is refused."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.file_parser import FileParser
from app.settings import (
    RetrievalSettings,
    Settings,
    SplitterSettings,
    largest,
    load_settings,
    setting_sources,
)

MODELS = '[answering.models.local]\nkind = "openai"\nmodel = "m"\n'


def _write(text: str, path: Path = Path("zhiwen.toml")) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.data_dir == Path("data")
    assert (settings.server.host, settings.server.port, settings.server.api_port) == ("127.0.0.1", 7860, 7861)
    assert settings.answering.model == "quote"
    assert settings.retrieval.threshold is None


def test_each_source_wins_over_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> tuple[int, str]:
        return load_settings().retrieval.top_k, setting_sources()["retrieval.top_k"][1]

    assert found() == (5, "default")
    _write("[retrieval]\ntop_k = 6\nthreshold = 0.5\n")
    assert found() == (6, "zhiwen.toml")
    monkeypatch.setenv("ZHIWEN_RETRIEVAL__TOP_K", "7")
    assert found() == (7, "environment")
    arguments = {"retrieval": {"top_k": 8}}
    assert load_settings(arguments).retrieval.top_k == 8
    assert setting_sources(arguments)["retrieval.top_k"] == (8, "argument")
    # What one source leaves out still comes from the one below.
    assert setting_sources(arguments)["retrieval.threshold"] == (0.5, "zhiwen.toml")


def test_every_setting_has_a_value_and_a_source() -> None:
    found = setting_sources()
    assert {source for _, source in found.values()} == {"default"}
    assert found["splitter.chunk_size"] == (480, "default")
    assert found["answering.models"] == ({}, "default")
    assert found["limits.files_per_upload"] == (200, "default")


def test_another_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write('language = "en"\n', tmp_path / "other.toml")
    monkeypatch.setenv("ZHIWEN_CONFIG", str(path))
    assert setting_sources()["language"] == ("en", str(path))
    monkeypatch.setenv("ZHIWEN_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.details["key"] == "ZHIWEN_CONFIG"


def test_a_section_as_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIWEN_SPLITTER", '{"name": "recursive", "chunk_size": 300}')
    assert setting_sources()["splitter.chunk_size"] == (300, "environment")
    assert load_settings().splitter.overlap == 80


def test_chat_models_are_named() -> None:
    _write(f'[answering]\nmodel = "local"\n{MODELS}')
    settings = load_settings()
    assert settings.answering.models["local"].kind == "openai"
    assert setting_sources()["answering.models.local.model"] == ("m", "zhiwen.toml")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("nonsense = 1\n", "nonsense"),
        ('[embedder]\nnmae = "x"\n', "embedder.nmae"),
        ("[nonsense]\nx = 1\n", "nonsense"),
        ("[retrieval]\nthreshold = 2\n", "retrieval.threshold"),
        ('[server]\nport = "many"\n', "server.port"),
        ('language = "fr"\n', "language"),
        (f'[answering]\nmodel = "other"\n{MODELS}', "answering.model"),
        (f"{MODELS}colour = 1\n", "answering.models.local.colour"),
        ("top_k =\n", "zhiwen.toml"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text: str, key: str) -> None:
    _write(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.details["key"] == key
    assert caught.value.details["reason"]
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("ZHIWEN_NONSENSE", "1", "ZHIWEN_NONSENSE"),
        ("ZHIWEN_NONSENSE__TOP_K", "1", "ZHIWEN_NONSENSE__TOP_K"),
        ("zhiwen_nonsense", "1", "zhiwen_nonsense"),
        ("ZHIWEN_RETRIEVAL__TOPK", "1", "retrieval.topk"),
        ("ZHIWEN_RETRIEVAL__TOP_K", "0", "retrieval.top_k"),
        ("ZHIWEN_RETRIEVAL__TOP_K", "many", "retrieval.top_k"),
        ("ZHIWEN_LANGUAGE", "fr", "language"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, key: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.details["key"] == key


def test_a_variable_that_is_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIWEN_RETRIEVAL", "{top_k: 3}")
    with pytest.raises(SettingsError, match="retrieval"):
        load_settings()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"splitter": {"chunk_size": "10"}})
    assert caught.value.details["key"] == "splitter.chunk_size"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().language = "en"  # type: ignore[misc]


def test_limits_reach_the_loaders() -> None:
    limits = load_settings({"limits": {"pages": 3, "table_rows": 4}}).limits.for_loaders()
    assert (limits.pages, limits.table_rows, limits.file_bytes) == (3, 4, 200 * 1024 * 1024)


def test_a_limit_that_leaves_parts_out_is_part_of_the_pipeline(tmp_path: Path) -> None:
    def fingerprint(**limits: int) -> str:
        with closing(FileParser(load_settings({"limits": limits}), model_folder=tmp_path)) as parser:
            return parser.fingerprint

    assert fingerprint() == fingerprint(table_rows=100_000) == fingerprint(file_bytes=5)
    assert fingerprint(table_rows=5) not in {fingerprint(), fingerprint(table_rows=6)}


def test_the_most_that_a_setting_may_be() -> None:
    assert (largest(RetrievalSettings, "top_k"), largest(SplitterSettings, "chunk_size")) == (100, 4000)
