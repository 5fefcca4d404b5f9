"""What the settings say about a chat model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

QUEUE_POSITION = "queue_position"
"""Key in the `response_metadata` of an empty chunk that tells how many requests come before this one."""


class ChatModelSpec(BaseModel):
    """A chat model: its `kind` in `models.registry`, and what that kind needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(description="transformers, openai, or module:Class of a LangChain chat model")
    model: str = Field("", description="a model folder or GGUF file, or the name that the server knows")
    base_url: str | None = Field(None, description="address of a server that speaks OpenAI's protocol")
    api_key_env: str | None = Field(None, description="name of the environment variable with the key")
    temperature: float = Field(0.0, ge=0.0, le=2.0)
    repetition_penalty: float | None = Field(
        None, gt=0.0, le=10.0, description="of a local model; unset, what its folder says"
    )
    max_tokens: int = Field(1024, gt=0, description="tokens of an answer at most")
    context_tokens: int = Field(4096, gt=0, description="tokens that prompt and answer share")
    tokenizer: Path | None = Field(
        None, description="tokenizer.json of a server's model, to count its tokens"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 … for a local model")
    quantisation: Literal["none", "int8", "int4"] = Field("none", description="of a local model's weights")
    adapter: Path | None = Field(None, description="folder of a LoRA for a local model")
    prompt_family: str | None = Field(None, description="prompts of a local model without a chat template")
    concurrency: int = Field(4, ge=1, le=256, description="answers that a local model writes at once")
    answer_timeout: float = Field(600.0, gt=0, description="seconds that an answer may take")
    retries: int = Field(2, ge=0, le=10, description="further tries where a server takes no request")
    timeout: float = Field(60.0, gt=0, description="seconds to wait for the model")
