"""Converted folders answer through the chat model that the application uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from langchain_core.messages import HumanMessage

from models.causal_loader import load_causal_model
from models.prompt_families import encode_chat
from models.transformers_chat import TransformersChatModel

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "name",
    ["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b-chat", "Baichuan2-7B-Chat", "Baichuan-13B-Chat"],
)
def test_chat_with_a_converted_folder(name: str, converted: Callable[[str], Path]) -> None:
    folder = converted(name)
    loaded = load_causal_model(folder, device="cpu")
    ids = encode_chat(loaded.tokenizer, [{"role": "user", "content": "请假要谁批准？"}])
    with torch.no_grad():
        made = loaded.model.generate(
            torch.tensor([ids]), max_new_tokens=8, do_sample=False, repetition_penalty=1.0
        )
    expected = loaded.tokenizer.decode(made[0, len(ids) :], skip_special_tokens=True)
    chat = TransformersChatModel(folder=folder, device="cpu", max_tokens=8)
    assert str(chat.invoke([HumanMessage("请假要谁批准？")]).content).strip() == expected.strip()
