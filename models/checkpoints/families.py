"""The families of original checkpoints, and how a folder is told to be of one.

ChatGLM2, ChatGLM3 and GLM-4 all call themselves `chatglm`, and both versions of Baichuan
`baichuan`, although they differ in what their weights mean. What is no setting of the model, such
as its recorded name or its published code, is read as text for evidence; it is never run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from models.checkpoints.weights import is_pointer, read_json
from models.errors import CheckpointError

_ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
_GLM = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop")


@dataclass(frozen=True, slots=True)
class Family:
    """What is the same for all checkpoints of a family."""

    name: str
    title: str
    model_type: str
    model_class: str
    prompt: str
    tokenizer: Literal["sentencepiece", "ice", "tiktoken"] = "sentencepiece"
    special_tokens: tuple[str, ...] = ()
    """Tokens whose ids follow those of the SentencePiece model."""
    prefix: tuple[str, ...] = ()
    """Special tokens that open every text."""
    stops: tuple[str, ...] = ("</s>",)
    generation: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    family.name: family
    for family in (
        Family(
            "chatglm-6b",
            "ChatGLM-6B",
            "chatglm_6b",
            "ChatGLM6BForConditionalGeneration",
            "chatglm",
            tokenizer="ice",
            stops=("<eop>",),
            generation={"do_sample": True, "temperature": 0.95, "top_p": 0.7},
        ),
        Family(
            "chatglm2-6b",
            "ChatGLM2-6B",
            "glm",
            "GlmForCausalLM",
            "chatglm2",
            special_tokens=_GLM,
            prefix=("[gMASK]", "sop"),
            generation={"do_sample": True, "temperature": 0.8, "top_p": 0.8},
        ),
        Family(
            "chatglm3-6b",
            "ChatGLM3-6B",
            "glm",
            "GlmForCausalLM",
            "chatglm3",
            special_tokens=(*_GLM, *_ROLES),
            prefix=("[gMASK]", "sop"),
            stops=("</s>", "<|user|>", "<|observation|>"),
            generation={"do_sample": True, "temperature": 0.8, "top_p": 0.8},
        ),
        Family(
            "glm-4-9b",
            "GLM-4-9B",
            "glm",
            "GlmForCausalLM",
            "glm4",
            tokenizer="tiktoken",
            prefix=("[gMASK]", "<sop>"),
            stops=("<|endoftext|>", "<|user|>", "<|observation|>"),
            generation={"do_sample": True, "temperature": 0.8, "top_p": 0.8},
        ),
        Family("baichuan-7b", "Baichuan-7B", "llama", "LlamaForCausalLM", "baichuan"),
        Family("baichuan2-7b", "Baichuan2-7B", "llama", "LlamaForCausalLM", "baichuan"),
        Family("baichuan-13b", "Baichuan-13B", "alibi_llama", "AlibiLlamaForCausalLM", "baichuan"),
        Family("baichuan2-13b", "Baichuan2-13B", "alibi_llama", "AlibiLlamaForCausalLM", "baichuan"),
    )
}
"""The families that can be converted, by the name that `--family` takes."""


def is_original(config: Mapping[str, Any]) -> bool:
    """Whether the configuration is that of an original ChatGLM or Baichuan checkpoint."""
    return config.get("model_type") in ("chatglm", "baichuan")


def recognise(folder: Path, config: Mapping[str, Any]) -> Family:
    """The family of an original checkpoint; raises `CheckpointError` when it cannot be told."""
    if config.get("model_type") == "chatglm":
        return FAMILIES[_chatglm(folder, config)]
    if config.get("model_type") == "baichuan":
        # Those with 13 billion parameters have no positions to count, for they use ALiBi.
        size = "7b" if config.get("max_position_embeddings") else "13b"
        if _named(folder, config, r"(?i)baichuan2?-(7|13)b") - {size[:-1]}:
            raise _ambiguous(*sorted(name for name in FAMILIES if name.startswith("baichuan")))
        return FAMILIES[f"baichuan{_baichuan_version(folder, config)}-{size}"]
    raise CheckpointError(
        "unknown_family",
        f"model_type {config.get('model_type')} is no ChatGLM or Baichuan checkpoint",
        model_type=str(config.get("model_type")),
    )


def _chatglm(folder: Path, config: Mapping[str, Any]) -> str:
    if config.get("position_encoding_2d") or "inner_hidden_size" in config:
        return "chatglm-6b"
    if has_tiktoken_vocabulary(folder) or config.get("padded_vocab_size") == 151552:
        return "glm-4-9b"
    votes = _named(folder, config, r"(?i)glm-?([234])")
    code = _text(folder / "tokenization_chatglm.py")
    if code:
        votes.add("3" if "<|user|>" in code else "2")
    if _text(folder / "chat_template.jinja") or read_tokenizer_config(folder).get("chat_template"):
        votes.add("3")
    if not votes and config.get("rope_ratio", 1) == 1:
        # Only the prompt depends on the version then, and the contexts tell it.
        votes = {8192: {"3"}, 32768: {"2"}}.get(int(config.get("seq_length", 0)), set())
    if len(votes) == 1:
        return {"2": "chatglm2-6b", "3": "chatglm3-6b", "4": "glm-4-9b"}[votes.pop()]
    raise _ambiguous("chatglm2-6b", "chatglm3-6b", "glm-4-9b")


def _baichuan_version(folder: Path, config: Mapping[str, Any]) -> str:
    by_vocabulary = {64000: "", 125696: "2"}.get(int(config.get("vocab_size", 0)))
    if by_vocabulary is not None:
        return by_vocabulary
    votes = {name or "1" for name in _named(folder, config, r"(?i)baichuan(2?)-\d+b")}
    code = _text(folder / "modeling_baichuan.py")
    if code:
        votes.add("2" if "NormHead" in code else "1")
    if "z_loss_weight" in config:
        votes.add("2")
    if config.get("architectures") == ["BaiChuanForCausalLM"]:
        votes.add("1")
    if len(votes) == 1:
        return votes.pop().replace("1", "")
    raise _ambiguous(*sorted(name for name in FAMILIES if name.startswith("baichuan")))


def _named(folder: Path, config: Mapping[str, Any], pattern: str) -> set[str]:
    """What the pattern's group finds in the names that the folder goes by."""
    names = (
        folder.resolve().name,
        str(config.get("_name_or_path", "")),
        str(read_tokenizer_config(folder).get("name_or_path", "")),
    )
    return {match[1] for name in names if (match := re.search(pattern, name))}


def read_tokenizer_config(folder: Path) -> dict[str, Any]:
    """`tokenizer_config.json`, or an empty dictionary where there is none."""
    path = folder / "tokenizer_config.json"
    return read_json(path) if path.is_file() else {}


def has_tiktoken_vocabulary(folder: Path) -> bool:
    """Whether `tokenizer.model` lists tokens and ranks, as tiktoken's vocabularies do."""
    path = folder / "tokenizer.model"
    if not path.is_file() or is_pointer(path):
        return False
    with path.open("rb") as file:
        return re.fullmatch(rb"[A-Za-z0-9+/]+=* \d+\r?", file.readline(200).rstrip(b"\n")) is not None


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.is_file() else ""


def _ambiguous(*names: str) -> CheckpointError:
    choices = ", ".join(names)
    return CheckpointError(
        "ambiguous_family",
        f"nothing in the folder, or too much, tells which of {choices} it is; say so with --family",
        families=choices,
    )
