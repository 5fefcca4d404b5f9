"""Small checkpoints in the layout of the original ones, with random weights."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from tests.models.checkpoints.references import Weights

_SENTENCES = (
    "知识库里的文件由本机的模型来读，答案都注明出处。",
    "第一条 员工请假三天以上，须由部门负责人批准。",
    "试用期不超过六个月，合同期限另有约定的从其约定。",
    "The answer cites the page it came from, and nothing leaves this machine.",
    "Round 1 问 答 2024 3.14 user assistant system",
    "def load(path):\n    return open(path).read()",
)

CHATGLM = {
    "architectures": ["ChatGLMModel"],
    "auto_map": {"AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration"},
    "model_type": "chatglm",
    "add_bias_linear": False,
    "add_qkv_bias": True,
    "apply_query_key_layer_scaling": True,
    "apply_residual_connection_post_layernorm": False,
    "attention_dropout": 0.0,
    "attention_softmax_in_fp32": True,
    "bias_dropout_fusion": True,
    "ffn_hidden_size": 88,
    "fp32_residual_connection": False,
    "hidden_dropout": 0.0,
    "hidden_size": 64,
    "kv_channels": 16,
    "layernorm_epsilon": 1e-05,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "num_attention_heads": 4,
    "num_layers": 2,
    "original_rope": True,
    "padded_vocab_size": 704,
    "post_layer_norm": True,
    "quantization_bit": 0,
    "rmsnorm": True,
    "seq_length": 8192,
    "use_cache": True,
    "torch_dtype": "float16",
    "tie_word_embeddings": False,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
BAICHUAN = {
    "architectures": ["BaichuanForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_baichuan.BaichuanForCausalLM"},
    "model_type": "baichuan",
    "hidden_act": "silu",
    "hidden_size": 96,
    "initializer_range": 0.02,
    "intermediate_size": 88,
    "num_attention_heads": 6,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "rms_norm_eps": 1e-06,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 704,
}
CHATGLM_6B = {
    "architectures": ["ChatGLMModel"],
    "model_type": "chatglm",
    "bos_token_id": 0,
    "eos_token_id": 0,
    "mask_token_id": 0,
    "gmask_token_id": 0,
    "pad_token_id": 3,
    "hidden_size": 64,
    "inner_hidden_size": 128,
    "layernorm_epsilon": 1e-05,
    "max_sequence_length": 2048,
    "num_attention_heads": 4,
    "num_layers": 2,
    "position_encoding_2d": True,
    "torch_dtype": "float16",
    "use_cache": True,
    "vocab_size": 704,
}


@dataclass(frozen=True)
class Original:
    """An original family: its configuration, and the published name that the folder goes by."""

    name: str
    config: dict[str, Any]
    generation: dict[str, Any] | None = None

    @cached_property
    def weights(self) -> Weights:
        """Weights under the original names; the same every time."""
        if "inner_hidden_size" in self.config:
            shapes = _chatglm_6b_shapes(self.config)
        elif self.config["model_type"] == "chatglm":
            shapes = _glm_shapes(self.config)
        else:
            shapes = _baichuan_shapes(self.config)
        generator = torch.Generator().manual_seed(11)
        weights = {}
        for name, shape in shapes.items():
            spread = 0.2 if len(shape) == 1 else 1 / shape[-1] ** 0.5
            numbers = torch.randn(shape, generator=generator) * spread
            weights[name] = numbers + 1 if "norm" in name and name.endswith("weight") else numbers
        return weights

    def write(self, parent: Path, *, files: int = 1, suffix: str = ".bin", dtype: Any = None) -> Path:
        """Write the folder, its weights in so many files."""
        folder = parent / self.name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(self.config), "utf-8")
        if self.generation is not None:
            (folder / "generation_config.json").write_text(json.dumps(self.generation), "utf-8")
        if "inner_hidden_size" in self.config:
            (folder / "ice_text.model").write_bytes(ice_model())
        elif "glm-4" in self.name:
            (folder / "tokenizer.model").write_bytes(tiktoken_vocabulary())
        else:
            glm = self.config["model_type"] == "chatglm"
            (folder / "tokenizer.model").write_bytes(sentencepiece_model(dummy_prefix=glm))
        # Code that must never run.
        (folder / "modeling_evil.py").write_text("raise SystemExit('remote code ran')\n", "utf-8")
        write_weights(folder, self.weights, files=files, suffix=suffix, dtype=dtype)
        return folder


def write_weights(
    folder: Path, weights: Weights, *, files: int = 1, suffix: str = ".bin", dtype: Any = None
) -> None:
    """Write weights as PyTorch or safetensors files, with an index when there are several."""
    from safetensors.torch import save_file

    stem = "pytorch_model" if suffix == ".bin" else "model"
    names = list(weights)
    step = -(-len(names) // files)
    owners: dict[str, str] = {}
    for n in range(files):
        some = names[n * step : (n + 1) * step]
        name = f"{stem}{suffix}" if files == 1 else f"{stem}-{n + 1:05}-of-{files:05}{suffix}"
        tensors = {key: weights[key].to(dtype or torch.float32) for key in some}
        if suffix == ".bin":
            torch.save(tensors, folder / name)
        else:
            save_file(tensors, folder / name)
        owners |= dict.fromkeys(some, name)
    if files > 1:
        index = {"metadata": {}, "weight_map": owners}
        (folder / f"{stem}{suffix}.index.json").write_text(json.dumps(index), "utf-8")


def _glm_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    vocabulary, hidden, inner = config["padded_vocab_size"], config["hidden_size"], config["ffn_hidden_size"]
    queries = config["num_attention_heads"] * config["kv_channels"]
    rows = queries + 2 * config["multi_query_group_num"] * config["kv_channels"]
    shapes: dict[str, tuple[int, ...]] = {
        "transformer.embedding.word_embeddings.weight": (vocabulary, hidden),
        "transformer.rotary_pos_emb.inv_freq": (config["kv_channels"] // 4,),
    }
    for n in range(config["num_layers"]):
        layer = f"transformer.encoder.layers.{n}"
        shapes |= {
            f"{layer}.input_layernorm.weight": (hidden,),
            f"{layer}.self_attention.query_key_value.weight": (rows, hidden),
            f"{layer}.self_attention.query_key_value.bias": (rows,),
            f"{layer}.self_attention.dense.weight": (hidden, queries),
            f"{layer}.post_attention_layernorm.weight": (hidden,),
            f"{layer}.mlp.dense_h_to_4h.weight": (2 * inner, hidden),
            f"{layer}.mlp.dense_4h_to_h.weight": (hidden, inner),
        }
    return shapes | {
        "transformer.encoder.final_layernorm.weight": (hidden,),
        "transformer.output_layer.weight": (vocabulary, hidden),
    }


def _baichuan_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    vocabulary, hidden, inner = config["vocab_size"], config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for n in range(config["num_hidden_layers"]):
        layer = f"model.layers.{n}"
        shapes |= {
            f"{layer}.self_attn.W_pack.weight": (3 * hidden, hidden),
            f"{layer}.self_attn.o_proj.weight": (hidden, hidden),
            f"{layer}.mlp.gate_proj.weight": (inner, hidden),
            f"{layer}.mlp.down_proj.weight": (hidden, inner),
            f"{layer}.mlp.up_proj.weight": (inner, hidden),
            f"{layer}.input_layernorm.weight": (hidden,),
            f"{layer}.post_attention_layernorm.weight": (hidden,),
        }
        if "max_position_embeddings" in config:
            shapes[f"{layer}.self_attn.rotary_emb.inv_freq"] = (hidden // config["num_attention_heads"] // 2,)
    return shapes | {"model.norm.weight": (hidden,), "lm_head.weight": (vocabulary, hidden)}


def _chatglm_6b_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    vocabulary, hidden, inner = config["vocab_size"], config["hidden_size"], config["inner_hidden_size"]
    shapes: dict[str, tuple[int, ...]] = {"transformer.word_embeddings.weight": (vocabulary, hidden)}
    for n in range(config["num_layers"]):
        layer = f"transformer.layers.{n}"
        shapes[f"{layer}.attention.rotary_emb.inv_freq"] = (hidden // config["num_attention_heads"] // 4,)
        for name, rows, columns in (
            ("input_layernorm", hidden, 0),
            ("attention.query_key_value", 3 * hidden, hidden),
            ("attention.dense", hidden, hidden),
            ("post_attention_layernorm", hidden, 0),
            ("mlp.dense_h_to_4h", inner, hidden),
            ("mlp.dense_4h_to_h", hidden, inner),
        ):
            shapes[f"{layer}.{name}.weight"] = (rows, columns) if columns else (rows,)
            shapes[f"{layer}.{name}.bias"] = (rows,)
    shapes |= {
        "transformer.final_layernorm.weight": (hidden,),
        "transformer.final_layernorm.bias": (hidden,),
    }
    return shapes | {"lm_head.weight": (vocabulary, hidden)}


@cache
def sentencepiece_model(*, dummy_prefix: bool, pieces: int = 0, reserved: bool = True) -> bytes:
    """A BPE model with bytes, trained here, and filled up to `pieces` with pieces that are never used."""
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    data = _train(
        model_type="bpe",
        vocab_size=560,
        byte_fallback=True,
        add_dummy_prefix=dummy_prefix,
        user_defined_symbols=[] if dummy_prefix or not reserved else ["<reserved_106>", "<reserved_107>"],
    )
    if not pieces:
        return data
    proto = ModelProto.FromString(data)
    for n in range(len(proto.pieces), pieces):
        proto.pieces.add(piece=f"⁂{n}", score=-float(n), type=ModelProto.SentencePiece.UNUSED)
    return bytes(proto.SerializeToString())


@cache
def ice_model() -> bytes:
    """A unigram model with the whitespace and control tokens of ChatGLM-6B."""
    return _train(
        model_type="unigram",
        vocab_size=460,
        byte_fallback=True,
        add_dummy_prefix=True,
        pad_id=3,
        user_defined_symbols=["<n>", "<|tab|>", *(f"<|blank_{n}|>" for n in range(2, 9))],
        control_symbols=["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"],
    )


@cache
def whole_ice_model() -> bytes:
    """That model with its control tokens where ChatGLM-6B has them, behind pieces that are never used."""
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    made = ModelProto.FromString(ice_model())
    places = {"[MASK]": 130000, "[gMASK]": 130001, "[sMASK]": 130002, "<sop>": 130004, "<eop>": 130005}
    for n, piece in enumerate(made.pieces):
        if piece.piece in places:
            piece.piece = f"⁂{n}"
            piece.type = ModelProto.SentencePiece.UNUSED
    at = {place: name for name, place in places.items()}
    for n in range(len(made.pieces), 130006):
        kind = ModelProto.SentencePiece.CONTROL if n in at else ModelProto.SentencePiece.UNUSED
        made.pieces.add(piece=at.get(n, f"⁂{n}"), score=0.0, type=kind)
    return bytes(made.SerializeToString())


def _train(**options: Any) -> bytes:
    from sentencepiece import SentencePieceTrainer

    written = io.BytesIO()
    sentences = [sentence[n:] for sentence in _SENTENCES for n in range(8)]
    SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        character_coverage=1.0,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return written.getvalue()


@cache
def tiktoken_vocabulary() -> bytes:
    """All bytes, and merges of pairs that are frequent in the sentences."""
    ranks = {bytes([n]): n for n in range(256)}
    words = [[bytes([b]) for b in word.encode()] for s in _SENTENCES for word in s.split(" ")]
    while len(ranks) < 400:
        counts: dict[bytes, int] = {}
        for word in words:
            for left, right in pairwise(word):
                counts[left + right] = counts.get(left + right, 0) + 1
        best = max(sorted(counts), key=counts.__getitem__)
        ranks[best] = len(ranks)
        for word in words:
            at = 0
            while at < len(word) - 1:
                if word[at] + word[at + 1] == best:
                    word[at : at + 2] = [best]
                at += 1
    return b"".join(base64.b64encode(token) + f" {rank}\n".encode() for token, rank in ranks.items())


def chatglm_6b() -> Original:
    """ChatGLM-6B with the control tokens where the tokenizer has them."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_proto=ice_model())
    ids = {
        "bos_token_id": processor.PieceToId("<sop>"),
        "eos_token_id": processor.PieceToId("<eop>"),
        "mask_token_id": processor.PieceToId("[MASK]"),
        "gmask_token_id": processor.PieceToId("[gMASK]"),
    }
    return Original("chatglm-6b", {**CHATGLM_6B, **ids})


_CHAT = {"user_token_id": 195, "assistant_token_id": 196, "temperature": 0.3, "top_k": 5, "top_p": 0.85}
_ROTARY = {"max_position_embeddings": 4096}
_ALIBI = {"model_max_length": 4096}
_BAICHUAN2 = {"repetition_penalty": 1.05, "do_sample": True, "transformers_version": "4.29.2", **_CHAT}

ORIGINALS = {
    original.name: original
    for original in (
        Original("chatglm2-6b", {**CHATGLM, "seq_length": 32768, "interleaved_qkv": False}),
        Original("chatglm2-6b-32k", {**CHATGLM, "seq_length": 32768, "rope_ratio": 4}),
        Original("chatglm3-6b", CHATGLM),
        Original("chatglm3-6b-32k", {**CHATGLM, "seq_length": 32768, "rope_ratio": 50}),
        Original(
            "glm-4-9b-chat",
            {**CHATGLM, "seq_length": 131072, "rope_ratio": 500, "layernorm_epsilon": 1.5625e-7},
        ),
        Original("Baichuan-7B", {**BAICHUAN, **_ROTARY, "architectures": ["BaiChuanForCausalLM"]}),
        Original("Baichuan2-7B-Chat", {**BAICHUAN, **_ROTARY, "z_loss_weight": 0}, _BAICHUAN2),
        Original("Baichuan-13B-Chat", {**BAICHUAN, **_ALIBI}, _CHAT),
        Original("Baichuan2-13B-Chat", {**BAICHUAN, **_ALIBI, "z_loss_weight": 0}, _BAICHUAN2),
        chatglm_6b(),
    )
}
