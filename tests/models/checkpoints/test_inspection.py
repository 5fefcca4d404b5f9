"""What is told of model folders."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.messages import LANGUAGES, translate
from models.checkpoints.conversion import convert
from models.checkpoints.inspection import Inspection, inspect
from models.checkpoints.memory import Gpu, Machine, Needs
from models.errors import CheckpointError
from tests.models.checkpoints.originals import ORIGINALS
from tests.models.checkpoints.test_conversion import POINTER


def codes(found: Inspection) -> list[str]:
    return [finding.code for finding in found.findings]


@pytest.mark.parametrize(
    ("name", "title", "context", "prompt"),
    [
        ("chatglm2-6b", "ChatGLM2-6B", 32768, "chatglm2"),
        ("chatglm3-6b-32k", "ChatGLM3-6B", 32768, "chatglm3"),
        ("glm-4-9b-chat", "GLM-4-9B", 131072, "glm4"),
        ("Baichuan2-7B-Chat", "Baichuan2-7B", 4096, "baichuan"),
        ("Baichuan-13B-Chat", "Baichuan-13B", 4096, "baichuan"),
        ("chatglm-6b", "ChatGLM-6B", 2048, "chatglm"),
    ],
)
@pytest.mark.slow
def test_originals_and_what_becomes_of_them(
    name: str, title: str, context: int, prompt: str, tmp_path: Path
) -> None:
    folder = ORIGINALS[name].write(tmp_path, files=2)
    before = inspect(folder)
    made = convert(folder, tmp_path / "out")
    after = inspect(tmp_path / "out")
    for found, form, advice in ((before, "original", "convert"), (after, "converted", "use")):
        assert (found.kind, found.format, found.advice, codes(found)) == ("language_model", form, advice, [])
        assert (found.title, found.context_length, found.prompt) == (title, context, prompt)
        assert (found.parameters, found.dtype) == (made.parameters, "float32")
    assert before.needs == after.needs


def test_memory_of_a_model(tmp_path: Path) -> None:
    folder = ORIGINALS["chatglm3-6b"].write(tmp_path)
    found = inspect(folder)
    hidden, inner, vocabulary = 64, 88, 704
    layer = (64 + 2 * 32) * hidden + hidden * hidden + 3 * inner * hidden
    rest = 2 * vocabulary * hidden + hidden + 2 * (128 + 2 * hidden)
    assert found.parameters == 2 * layer + rest
    assert found.needs == Needs(
        bfloat16=2 * (2 * layer + rest),
        int8=2 * layer + 2 * rest,
        int4=int(0.5625 * 2 * layer + 2 * rest),
        kv_cache_per_1000_tokens=2 * 2 * 1000 * 2 * 2 * 16,
    )


def test_cache_of_alibi_counts_the_channels_of_the_bias(converted: Callable[[str], Path]) -> None:
    needs = inspect(converted("Baichuan-13B-Chat")).needs
    assert needs is not None
    assert needs.kv_cache_per_1000_tokens == 2 * 2 * 1000 * 2 * 6 * (16 + 8)


GB = 10**9
NEEDS = Needs(12 * GB, 7 * GB, 4 * GB, 0)


@pytest.mark.parametrize(
    ("ram", "gpu", "expected"),
    [
        (64, 24, ("gpu", "bfloat16")),
        (64, 10, ("gpu", "int8")),
        (8, 6, ("gpu", "int4")),
        (64, 2, ("cpu", "bfloat16")),
        (16, 0, ("cpu", "bfloat16")),
        (13, 0, None),
    ],
)
def test_where_a_model_runs(ram: int, gpu: int, expected: tuple[str, str] | None) -> None:
    cards = (Gpu("card", gpu * GB, gpu * GB),) if gpu else ()
    assert Machine(ram * GB, ram * GB, cards).runs(NEEDS) == expected


def _write(folder: Path, config: dict[str, Any] | None, **files: Any) -> Path:
    folder.mkdir(exist_ok=True)
    if config is not None:
        files["config.json"] = config
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(
            content if isinstance(content, str) else json.dumps(content)
        )
    return folder


LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 4096}


@pytest.mark.parametrize(
    ("config", "files", "kind", "advice", "found"),
    [
        (LLAMA, {"tokenizer__json": {}}, "language_model", "repair", ["no_weights"]),
        (
            {**LLAMA, "model_type": "qwen", "architectures": ["QWenLMHeadForCausalLM"]},
            {"tokenizer__json": {}},
            "language_model",
            "remote_code",
            ["remote_code", "no_weights"],
        ),
        (
            {"architectures": ["BertModel"], "model_type": "bert"},
            {"modules__json": []},
            "embedder",
            "repair",
            ["no_weights"],
        ),
        (
            {"architectures": ["XLMRobertaForSequenceClassification"], "model_type": "xlm-roberta"},
            {},
            "reranker",
            "repair",
            ["no_weights"],
        ),
        (None, {"adapter_config__json": {"base_model_name_or_path": "THUDM/x"}}, "adapter", "adapter", []),
        (None, {"inference__pdiparams": "a", "inference__yml": "a: b"}, "ocr", "repair", ["shard_missing"]),
        (None, {}, "unknown", "repair", ["no_config"]),
        (None, {"config__json": "{"}, "unknown", "repair", ["bad_json"]),
        (LLAMA, {"model__safetensors": POINTER.decode()}, "language_model", "repair", ["lfs_pointer"]),
    ],
)
def test_kinds_of_folders(
    config: dict[str, Any] | None,
    files: dict[str, Any],
    kind: str,
    advice: str,
    found: list[str],
    tmp_path: Path,
) -> None:
    seen = inspect(_write(tmp_path / "m", config, **files))
    assert (seen.kind, seen.advice, codes(seen)) == (kind, advice, found)


def test_quantised_and_native_models(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    quantised = {**LLAMA, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    folder = _write(tmp_path / "m", quantised, tokenizer__json={}, chat_template__jinja="{{ 1 }}")
    save_file({"lm_head.weight": torch.zeros(4, 4)}, folder / "model.safetensors")
    found = inspect(folder)
    assert (found.quantisation, found.parameters, found.advice, found.prompt) == (
        *("gptq", None, "use"),
        "chat_template",
    )
    (folder / "chat_template.jinja").unlink()
    (folder / "config.json").write_text(json.dumps(LLAMA))
    found = inspect(folder)
    assert (found.parameters, found.advice, found.prompt) == (16, "no_prompt", None)
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": torch.zeros(4, 4)}, folder / "pytorch_model.bin")
    found = inspect(folder)
    assert (found.parameters, found.advice, codes(found)) == (16, "repair", ["pytorch_only"])


def _gguf(path: Path, architecture: str) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text(architecture),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<ff", 0, 1),
        text(f"{architecture}.context_length") + struct.pack("<II", 4, 2048),
        text("tokenizer.chat_template") + struct.pack("<I", 8) + text("{{ 1 }}"),
    ]
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))
    return path


def test_gguf_files(tmp_path: Path) -> None:
    found = inspect(_gguf(tmp_path / "llama.gguf", "llama"))
    assert (found.format, found.context_length, found.prompt, found.advice) == (
        *("gguf", 2048),
        *("chat_template", "gguf"),
    )
    assert inspect(_gguf(tmp_path / "other.gguf", "chatglm")).advice == "gguf_server"
    cut = tmp_path / "cut.gguf"
    cut.write_bytes((tmp_path / "llama.gguf").read_bytes()[:60])
    assert codes(inspect(cut)) == ["damaged_weights"]


def _ocr(folder: Path) -> Path:
    """A model of one field, its graph, in a folder as PaddleOCR exports it."""
    graph = b"\x08\x0a" + b"\x3a\x80\x01" + bytes(128)
    _write(folder, None, inference__yml="Global:\n  model_name: PP-OCRv9_rec\n", config__json={"Global": {}})
    (folder / "inference.onnx").write_bytes(graph)
    return folder


def test_a_folder_for_text_recognition(tmp_path: Path) -> None:
    found = inspect(_ocr(tmp_path / "m"))
    assert (found.kind, found.title, found.advice, codes(found)) == ("ocr", "PP-OCRv9_rec", "ocr", [])
    assert found.bytes == 133 + 35


@pytest.mark.parametrize(
    ("file", "content", "finding"),
    [
        ("inference.onnx", None, "shard_missing"),
        ("inference.yml", None, "shard_missing"),
        ("inference.yml", b"Global: {}", "damaged_weights"),
        ("inference.onnx", b"", "damaged_weights"),
        ("inference.onnx", b"\x08\x0a\x3a\x80\x01" + bytes(100), "damaged_weights"),
        ("inference.onnx", b"\x08\x0a", "damaged_weights"),
        ("inference.onnx", b"<html>not found</html>", "damaged_weights"),
        ("inference.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs_pointer"),
    ],
)
def test_folders_for_text_recognition_that_are_not_whole(
    file: str, content: bytes | None, finding: str, tmp_path: Path
) -> None:
    folder = _ocr(tmp_path / "m")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    found = inspect(folder)
    assert (found.kind, found.advice, codes(found)) == ("ocr", "repair", [finding])


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"model_type": "bert", "max_position_embeddings": 1024}, 1024),
        ({"model_type": "bert"}, 512),
        ({"model_type": "foreign"}, None),
    ],
)
def test_context_of_a_configuration_that_may_be_silent(
    config: dict[str, Any], context: int | None, tmp_path: Path
) -> None:
    config = {**config, "architectures": ["BertForSequenceClassification"]}
    found = inspect(_write(tmp_path / "m", config))
    assert (found.kind, found.context_length) == ("reranker", context)


@pytest.mark.parametrize("key", [None, "quantization_bit"])
def test_originals_that_cannot_be_converted(key: str | None, tmp_path: Path) -> None:
    original = ORIGINALS["chatglm2-6b"]
    folder = original.write(tmp_path, files=2)
    if key:
        (folder / "config.json").write_text(json.dumps({**original.config, key: 4}))
    else:
        (folder / "tokenizer.model").unlink()
    found = inspect(folder)
    assert found.advice == "repair"
    assert codes(found) == ["foreign_quantisation" if key else "tokenizer_missing"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a folder"):
        inspect(tmp_path / "nothing")


def test_every_advice_and_kind_has_a_text() -> None:
    source = Path(inspect.__code__.co_filename).read_text(encoding="utf-8")
    for code in ("use", "convert", "repair", "remote_code", "no_prompt", "gguf", "gguf_server"):
        assert f'"{code}"' in source
        assert all(translate(f"advice.{code}", language) for language in LANGUAGES)
    for kind in ("language_model", "embedder", "reranker", "adapter", "ocr", "unknown"):
        assert all(translate(f"check.{kind}", language) for language in LANGUAGES)
        if kind != "language_model":
            assert all(translate(f"advice.{kind}", language) for language in LANGUAGES)
