"""A GGUF file of a small model, written here: what it becomes, and that it answers."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from models.checkpoints.gguf_header import read_gguf
from models.errors import CheckpointError, ModelError, ModelPackageMissingError
from models.gguf_folder import folder_of
from models.transformers_chat import TransformersChatModel

gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
AB, START, END = 256, 257, 258
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def small_model() -> Any:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(5)
    config = Qwen2Config(
        vocab_size=259,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        rms_norm_eps=1e-6,
        tie_word_embeddings=False,
    )
    model = Qwen2ForCausalLM(config).eval()
    for name, weight in model.named_parameters():  # so that norms and biases count
        if weight.dim() == 1:
            weight.data += 0.1 * torch.randn_like(weight)
        assert weight.isfinite().all(), name
    return model


def in_gguf(name: str) -> str:
    plain = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in plain:
        return plain[name]
    _, _, layer, *middle, kind = name.split(".")
    return f"blk.{layer}.{NAMES['.'.join(middle)]}.{kind}"


def bytes_as_letters() -> list[str]:
    """The letters that stand for the 256 bytes in vocabularies of this kind."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def write(path: Path, model: Any) -> None:
    """The model with weights of 8 bits, and a vocabulary of bytes."""
    config = model.config
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*bytes_as_letters(), "ab", "<|im_start|>", "<|im_end|>"])
    writer.add_token_types([gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(END)
    writer.add_chat_template(TEMPLATE)
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in model.state_dict().items():
        numbers = tensor.numpy()
        if numbers.ndim == 2:
            writer.add_tensor(in_gguf(name), gguf.quants.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(in_gguf(name), numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def model() -> Any:
    return small_model()


@pytest.fixture(scope="module")
def file(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write(path, model)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_the_weights_are_those_of_the_file(model: Any, file: Path, cache: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = folder_of(file, cache_dir=cache)
    made = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert not hasattr(made.config, "quantization_config")
    for name, weight in made.state_dict().items():
        original = model.state_dict()[name]
        step = original.abs().max() / 127 if original.dim() == 2 else original.abs().max() / 1024
        assert (weight - original).abs().max() <= step, name
    ids = torch.tensor([[1, 50, 200, 7, 99, 3]])
    with torch.no_grad():
        assert (made(ids).logits - model(ids).logits).abs().max() < 0.05


def test_it_is_unpacked_once(file: Path, cache: Path) -> None:
    folder = folder_of(file, cache_dir=cache)
    weights = folder / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert folder_of(file, cache_dir=cache) == folder
    assert weights.stat().st_mtime_ns == before
    weights.write_bytes(weights.read_bytes()[:-9])
    folder_of(file, cache_dir=cache)
    assert weights.stat().st_mtime_ns != before


@pytest.mark.slow
def test_it_answers_by_the_template_of_the_file(file: Path, cache: Path) -> None:
    from langchain_core.messages import HumanMessage

    chat = TransformersChatModel(folder=file, cache_dir=cache, device="cpu", max_tokens=5)
    prompt = chat._encoded([HumanMessage("ab<|im_end|>")])
    assert prompt[0] == START
    assert prompt.count(END) == 1  # that of the template
    assert prompt[6:8] == [AB, bytes_as_letters().index("<")]
    pieces = [chunk.usage_metadata for chunk in chat.stream("ab") if chunk.usage_metadata]
    assert 1 <= pieces[0]["output_tokens"] <= 5
    chat.unload()


def test_arrays_nested_without_end_are_damage(tmp_path: Path) -> None:
    nested = tmp_path / "nested.gguf"
    key = struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 9)
    nested.write_bytes(b"GGUF" + key + struct.pack("<IQ", 9, 1) * 5000)
    with pytest.raises(CheckpointError) as caught:
        read_gguf(nested)
    assert caught.value.details["file"] == "nested.gguf"


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(ModelError, match="cannot be loaded"):
        folder_of(bad, cache_dir=tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]
    with pytest.raises(ModelError, match="a folder to be unpacked in"):
        TransformersChatModel(folder=bad).load()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelPackageMissingError) as caught:
        folder_of(bad, cache_dir=tmp_path)
    assert caught.value.details["install"] == "pip install gguf accelerate"
