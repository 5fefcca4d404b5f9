"""How each family of chat models writes a conversation, as token ids built segment by segment.

`encode_chat` uses the family that a converted folder names in `tokenizer_config.json`
(`"prompt_family"`), else the tokenizer's own chat template. Control tokens enter a prompt only as
ids from here: the text of a message never becomes one, whatever it spells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.chat_template import template_segments
from models.errors import ModelError
from models.prompt_tokens import control_ids, encode_text

Segments = Iterator["str | int"]
"""Runs of text, each encoded on its own, and ids of control tokens."""

_VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_ALPACA_SYSTEM = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request."
)


_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_PLAIN_STOPS = ("\n问：", "\n问:", "\nQuestion:")
"""A base model that has answered goes on with the next question."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The system text, the rounds that are over as (question, answer), and the open question."""

    system: str
    rounds: tuple[tuple[str, str], ...]
    question: str

    @property
    def opening(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """Rounds and question for a family without a system role: its text opens the first question."""
        if not self.system:
            return self.rounds, self.question
        if not self.rounds:
            return (), f"{self.system}\n\n{self.question}"
        (question, answer), *rest = self.rounds
        return ((f"{self.system}\n\n{question}", answer), *rest), self.question


def encode_chat(
    tokenizer: Any, messages: Sequence[Mapping[str, str]], *, family: str | None = None
) -> list[int]:
    """Token ids of the prompt for messages with "role" (system, user, assistant) and "content".

    The last message is the user's. `family` is a key of `FAMILIES`, by default the one that the
    tokenizer names; without one its chat template is used. Raises `ModelError` when there is
    neither, when a control token of the family is missing, or when nobody asks.
    """
    family = family or prompt_family(tokenizer)
    conversation = _conversation(messages)
    segments: Sequence[str | int]
    forbidden = set(control_ids(tokenizer))
    if family is not None:
        if family not in FAMILIES:
            known = ", ".join(sorted(FAMILIES))
            raise ModelError(f"There is no prompt family {family}. Known are {known}.", family=family)
        segments = list(FAMILIES[family](tokenizer, conversation))
        forbidden |= {segment for segment in segments if isinstance(segment, int)}
    elif getattr(tokenizer, "chat_template", None):
        segments = template_segments(tokenizer, list(_turns(conversation)))
    else:
        raise ModelError(
            "The model has no chat template, so it cannot be talked to; choose a chat model, or name its "
            "prompt family (`plain` for a base model)."
        )
    ids: list[int] = []
    for segment in segments:
        if isinstance(segment, int):
            ids.append(segment)
        else:
            ids += encode_text(tokenizer, segment, forbidden=forbidden)
    return ids


def stop_texts(tokenizer: Any, family: str | None) -> tuple[str, ...]:
    """Texts that end an answer besides the model's own tokens, for `encode_chat`'s families."""
    return _PLAIN_STOPS if (family or prompt_family(tokenizer)) == "plain" else ()


def prompt_family(tokenizer: Any) -> str | None:
    """The family that the folder of this tokenizer names, if any."""
    name = getattr(tokenizer, "init_kwargs", {}).get("prompt_family")
    return name if isinstance(name, str) else None


def _conversation(messages: Sequence[Mapping[str, str]]) -> Conversation:
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system" and m["content"])
    turns: list[tuple[str, str]] = []
    for message in messages:
        role, text = message["role"], message["content"]
        if role == "system":
            continue
        if role not in ("user", "assistant"):
            raise ModelError(f"A message has the unknown role {role}.", role=role)
        if not turns and role == "assistant":
            turns.append(("user", ""))
        if turns and turns[-1][0] == role:
            turns[-1] = (role, f"{turns[-1][1]}\n\n{text}")
        else:
            turns.append((role, text))
    if not turns or turns[-1][0] != "user":
        raise ModelError("The last message must be the user's.")
    texts = [text for _, text in turns]
    return Conversation(system, tuple(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1])


def _turns(conversation: Conversation) -> Iterator[tuple[str, str]]:
    if conversation.system:
        yield "system", conversation.system
    for question, answer in conversation.rounds:
        yield "user", question
        yield "assistant", answer
    yield "user", conversation.question


def _id(tokenizer: Any, token: str) -> int:
    index = tokenizer.convert_tokens_to_ids(token)
    if index is None or index == tokenizer.unk_token_id:
        raise ModelError(f"The tokenizer has no token {token}, which the prompt needs.", token=token)
    return int(index)


def _chatglm(tokenizer: Any, conversation: Conversation) -> Segments:
    rounds, question = conversation.opening
    if rounds:
        past = "".join(f"[Round {n}]\n问：{q}\n答：{a}\n" for n, (q, a) in enumerate(rounds))
        yield f"{past}[Round {len(rounds)}]\n问：{question}\n答："
    else:
        yield question
    yield _id(tokenizer, "[gMASK]")
    yield _id(tokenizer, "<sop>")


def _chatglm2(tokenizer: Any, conversation: Conversation) -> Segments:
    rounds, question = conversation.opening
    past = "".join(f"[Round {n}]\n\n问：{q}\n\n答：{a}\n\n" for n, (q, a) in enumerate(rounds, 1))
    yield _id(tokenizer, "[gMASK]")
    yield _id(tokenizer, "sop")
    yield f"{past}[Round {len(rounds) + 1}]\n\n问：{question}\n\n答："


def _glm_roles(start: str) -> Callable[[Any, Conversation], Segments]:
    def build(tokenizer: Any, conversation: Conversation) -> Segments:
        yield _id(tokenizer, "[gMASK]")
        yield _id(tokenizer, start)
        for role, text in _turns(conversation):
            yield _id(tokenizer, f"<|{role}|>")
            yield "\n"
            yield text
        yield _id(tokenizer, "<|assistant|>")

    return build


def _baichuan(tokenizer: Any, conversation: Conversation) -> Segments:
    # The names of these tokens differ between versions, so the folder gives their ids.
    user = int(tokenizer.init_kwargs.get("user_token_id", 195))
    assistant = int(tokenizer.init_kwargs.get("assistant_token_id", 196))
    yield conversation.system
    for question, answer in conversation.rounds:
        yield user
        yield question
        yield assistant
        yield answer
    yield user
    yield conversation.question
    yield assistant


def _vicuna(tokenizer: Any, conversation: Conversation) -> Segments:
    if tokenizer.bos_token_id is not None:
        yield tokenizer.bos_token_id
    run = (conversation.system or _VICUNA_SYSTEM) + " "
    for question, answer in conversation.rounds:
        yield f"{run}USER: {question} ASSISTANT: {answer}"
        yield tokenizer.eos_token_id
        run = ""
    yield f"{run}USER: {conversation.question} ASSISTANT:"


def _alpaca(tokenizer: Any, conversation: Conversation) -> Segments:
    if tokenizer.bos_token_id is not None:
        yield tokenizer.bos_token_id
    run = (conversation.system or _ALPACA_SYSTEM) + "\n\n"
    for question, answer in conversation.rounds:
        yield f"{run}### Instruction:\n{question}\n\n### Response:\n{answer}"
        yield tokenizer.eos_token_id
        run = "\n\n"
    yield f"{run}### Instruction:\n{conversation.question}\n\n### Response:\n"


def _llama2(tokenizer: Any, conversation: Conversation) -> Segments:
    system = f"<<SYS>>\n{conversation.system}\n<</SYS>>\n\n" if conversation.system else ""
    for question, answer in conversation.rounds:
        yield tokenizer.bos_token_id
        yield f"[INST] {system}{question.strip()} [/INST] {answer.strip()} "
        yield tokenizer.eos_token_id
        system = ""
    yield tokenizer.bos_token_id
    yield f"[INST] {system}{conversation.question.strip()} [/INST]"


def _chatml(tokenizer: Any, conversation: Conversation) -> Segments:
    start, end = _id(tokenizer, "<|im_start|>"), _id(tokenizer, "<|im_end|>")
    after = ""
    for role, text in _turns(conversation):
        if after:
            yield after
        yield start
        yield f"{role}\n{text}"
        yield end
        after = "\n"
    yield after
    yield start
    yield "assistant\n"


def _plain(tokenizer: Any, conversation: Conversation) -> Segments:
    if tokenizer.bos_token_id is not None:
        yield tokenizer.bos_token_id
    chinese = _CHINESE.search(conversation.question)
    asks, answers, space = ("问：", "答：", "") if chinese else ("Question: ", "Answer:", " ")
    run = f"{conversation.system}\n\n" if conversation.system else ""
    for question, answer in conversation.rounds:
        run += f"{asks}{question}\n{answers}{space}{answer}\n\n"
    yield f"{run}{asks}{conversation.question}\n{answers}"


FAMILIES: dict[str, Callable[[Any, Conversation], Segments]] = {
    "chatglm": _chatglm,
    "chatglm2": _chatglm2,
    "chatglm3": _glm_roles("sop"),
    "glm4": _glm_roles("<sop>"),
    "baichuan": _baichuan,
    "vicuna": _vicuna,
    "alpaca": _alpaca,
    "llama2": _llama2,
    "chatml": _chatml,
    "plain": _plain,
}
"""What writes each family's prompt; the names are those of the setting and of converted folders."""
