"""Converted models give the logits of the originals, and the checks would notice if they did not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from models.checkpoints.registration import register
from tests.models.checkpoints import references
from tests.models.checkpoints.originals import ORIGINALS

pytestmark = pytest.mark.slow

BOUND = 1e-5
Reference = Callable[..., torch.Tensor]

OPTIONS: dict[str, tuple[Reference, dict[str, Any]]] = {
    "chatglm2-6b": (references.glm, {}),
    "chatglm2-6b-32k": (references.glm, {"divisor": 4}),
    "chatglm3-6b": (references.glm, {}),
    "chatglm3-6b-32k": (references.glm, {"base_factor": 50}),
    "glm-4-9b-chat": (references.glm, {"base_factor": 500}),
    "Baichuan-7B": (references.baichuan, {"alibi": False, "norm_head": False}),
    "Baichuan2-7B-Chat": (references.baichuan, {"alibi": False, "norm_head": True}),
    "Baichuan-13B-Chat": (references.baichuan, {"alibi": True, "norm_head": False}),
    "Baichuan2-13B-Chat": (references.baichuan, {"alibi": True, "norm_head": True}),
    "chatglm-6b": (references.chatglm_6b, {}),
}
PROMPT = [301, 17, 255, 44, 310, 28, 99, 301, 120, 77, 203, 61]


def prompt(name: str, length: int = len(PROMPT)) -> list[int]:
    """Ids of a prompt and some of its answer; that of ChatGLM-6B has its control tokens."""
    ids = PROMPT[:length]
    if name == "chatglm-6b":
        config = ORIGINALS[name].config
        at = length // 2
        ids[at : at + 2] = [config["gmask_token_id"], config["bos_token_id"]]
    return ids


def expected(name: str, ids: list[int], **other: Any) -> torch.Tensor:
    reference, options = OPTIONS[name]
    original = ORIGINALS[name]
    weights = {name: tensor.double() for name, tensor in original.weights.items()}
    return reference(weights, original.config, ids, **{**options, **other})


def load(folder: Path, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM

    register()
    model, report = AutoModelForCausalLM.from_pretrained(
        str(folder), local_files_only=True, output_loading_info=True, **options
    )
    assert {key: value for key, value in report.items() if value} == {}
    return model.eval()


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


# ChatGLM-6B has one implementation of attention.
CASES = [
    (name, kind) for name in OPTIONS for kind in ("sdpa", "eager") if (name, kind) != ("chatglm-6b", "eager")
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest, converted: Callable[[str], Path]) -> tuple[str, Any]:
    name, attention = request.param
    return name, load(converted(name), attn_implementation=attention)


@pytest.fixture
def name(case: tuple[str, Any]) -> str:
    return case[0]


@pytest.fixture
def model(case: tuple[str, Any]) -> Any:
    return case[1]


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_whole_sequence(name: str, model: Any) -> None:
    ids = prompt(name)
    assert difference(model(torch.tensor([ids])).logits[0], expected(name, ids)) <= BOUND


def test_with_cache(name: str, model: Any) -> None:
    ids = prompt(name)
    first = len(ids) - 4
    whole = torch.tensor([ids])
    positions = model.positions(whole) if name == "chatglm-6b" else torch.arange(len(ids))[None]
    out = model(whole[:, :first], use_cache=True)
    steps = [out.logits[0]]
    for n in range(first, len(ids)):
        out = model(
            whole[:, n : n + 1],
            past_key_values=out.past_key_values,
            position_ids=positions[..., n : n + 1],
            use_cache=True,
        )
        steps.append(out.logits[0])
    assert difference(torch.cat(steps), expected(name, ids)) <= BOUND


def test_padded_on_the_left(name: str, model: Any) -> None:
    rows = [prompt(name), prompt(name, 7)]
    padding = len(rows[0]) - len(rows[1])
    batch = torch.tensor([rows[0], [0] * padding + rows[1]])
    mask = torch.tensor([[1] * len(rows[0]), [0] * padding + [1] * len(rows[1])])
    options = {}
    if name != "chatglm-6b":
        options["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = model(batch, attention_mask=mask, **options).logits
    assert difference(logits[0], expected(name, rows[0])) <= BOUND
    assert difference(logits[1, padding:], expected(name, rows[1])) <= BOUND


def test_generation(name: str, model: Any) -> None:
    """Each token of a batch's answers is the likeliest after those before it."""
    ids, short = prompt(name, 8), prompt(name, 6)
    padding = len(ids) - len(short)
    batch = torch.tensor([ids, [0] * padding + short])
    mask = torch.tensor([[1] * len(ids), [0] * padding + [1] * len(short)])
    made = model.generate(
        batch,
        attention_mask=mask,
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=None,
        repetition_penalty=1.0,
    )
    for start, row in ((ids, made[0].tolist()), (short, made[1, padding:].tolist())):
        assert row[: len(start)] == start
        assert row[len(start) :] == expected(name, row[:-1]).argmax(-1)[len(start) - 1 :].tolist()


@pytest.mark.parametrize(
    ("name", "wrong", "least"),
    [
        ("chatglm2-6b-32k", {"divisor": 1}, 0.05),
        ("chatglm2-6b-32k", {"divisor": 1, "base_factor": 4}, 0.05),
        ("chatglm3-6b-32k", {"base_factor": 1}, 0.05),
        ("glm-4-9b-chat", {"base_factor": 1}, 0.05),
        ("Baichuan2-7B-Chat", {"norm_head": False}, 0.5),
        ("Baichuan2-13B-Chat", {"norm_head": False}, 0.5),
        ("Baichuan-13B-Chat", {"alibi": False}, 0.05),
    ],
)
def test_what_was_left_out_would_show(
    name: str, wrong: dict[str, Any], least: float, converted: Callable[[str], Path]
) -> None:
    ids = prompt(name)
    logits = load(converted(name))(torch.tensor([ids])).logits[0]
    assert difference(logits, expected(name, ids, **wrong)) > least


def test_far_positions_in_half_precision(converted: Callable[[str], Path]) -> None:
    """With bfloat16 the order of near keys survives thousands of tokens away from the start."""
    model = load(converted("Baichuan-13B-Chat"))
    channels = model.model.rotary_emb
    positions = torch.arange(4090, 4096)[None]
    queries, keys = channels(torch.zeros(1, dtype=torch.bfloat16), positions)
    width = model.config.hidden_size // model.config.num_attention_heads
    bias = (queries.double() @ keys.double().transpose(-1, -2))[0] * width**-0.5
    distance = (positions[:, None, :] - positions[:, :, None]).double()
    slopes = torch.tensor(references._slopes(model.config.num_attention_heads)).double()
    assert difference(bias, slopes[:, None, None] * distance[0]) < 1e-2


def test_tied_head_of_the_first_chatglm(tmp_path: Path) -> None:
    from models.checkpoints.conversion import convert

    original = ORIGINALS["chatglm-6b"]
    folder = original.write(tmp_path)
    weights = dict(original.weights)
    weights["lm_head.weight"] = weights["transformer.word_embeddings.weight"]
    kept = {name: tensor for name, tensor in weights.items() if name != "lm_head.weight"}
    torch.save(kept, folder / "pytorch_model.bin")
    convert(folder, tmp_path / "out")
    ids = prompt("chatglm-6b")
    with torch.no_grad():
        logits = load(tmp_path / "out")(torch.tensor([ids])).logits[0]
    assert difference(logits, references.chatglm_6b(weights, original.config, ids)) <= BOUND


def test_what_the_first_chatglm_cannot_do(converted: Callable[[str], Path]) -> None:
    model = load(converted("chatglm-6b"))
    with pytest.raises(ValueError, match="no <sop>"):
        model(torch.tensor([[5, 6]]))
    with pytest.raises(ValueError, match="no \\[gMASK\\]"):
        model(torch.tensor([[50, ORIGINALS["chatglm-6b"].config["bos_token_id"]]]))
    out = model(torch.tensor([prompt("chatglm-6b")]))
    with pytest.raises(ValueError, match="position_ids are needed"):
        model(torch.tensor([[5]]), past_key_values=out.past_key_values)
