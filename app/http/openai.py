"""The routes of OpenAI's interface, so that its clients work unchanged.

`knowledge_bases` in the body of a chat selects the sources, as the files of `session_id` are with the
mode "files"; without it, all are searched. The
citations come back beside `choices`.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app import schemas
from app.answering.answerer import QUOTE_MODEL
from app.answering.types import Event, Final, Mode, Token
from app.errors import NoSourcesError, QuestionError
from app.examples import with_example
from app.http.common import ServiceDep, Utf8Route
from app.http.drawing import all_drawn
from app.http.events import EVENT_STREAM, data_line, stream
from app.http.generations import EmbeddingSlot, GenerationSlot
from app.http.metrics import observed_by
from app.http.questions import AskMode, HistoryMessage, Threshold, TopK, turns
from app.http.session_files import files_of
from app.service import Service

router = APIRouter(prefix="/v1", tags=["openai"], route_class=Utf8Route)

EMBEDDING_MODEL = "embedding"
_EMBEDDED_TEXTS = 2048
"""As many as OpenAI's service takes at once."""


class TextPart(BaseModel):
    """A piece of text in a message."""

    model_config = ConfigDict(strict=True)

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A message of a chat."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The message as one string."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """Whether the last piece of a stream counts the tokens."""

    model_config = ConfigDict(strict=True)

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A chat completion. Fields of OpenAI's that have no meaning here are passed over."""

    model_config = ConfigDict(extra="ignore", strict=True, json_schema_extra=with_example)

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    mode: AskMode = "documents"
    session_id: str | None = None
    """With the mode "files": the conversation whose files are asked. What is said is not kept in it."""
    knowledge_bases: list[str] | None = Field(None, max_length=100)
    top_k: TopK = None
    threshold: Threshold = None


class ChatResponse(BaseModel):
    """A chat completion in OpenAI's format, with the citations beside the choices."""

    model_config = ConfigDict(json_schema_extra=with_example)

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, int]
    citations: list[schemas.Citation]
    refused: bool


class ModelCard(BaseModel):
    """A model that can be asked."""

    model_config = ConfigDict(json_schema_extra=with_example)

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "zhiwen"


class ModelList(BaseModel):
    """The models that can be asked."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


def _few(texts: list[str]) -> list[str]:
    # Not in the schema: tools that try out what it allows would embed for minutes.
    if len(texts) > _EMBEDDED_TEXTS:
        raise ValueError(f"more than {_EMBEDDED_TEXTS} texts")
    return texts


class EmbeddingRequest(BaseModel):
    """Texts to embed."""

    model_config = ConfigDict(extra="ignore", strict=True, json_schema_extra=with_example)

    model: str = EMBEDDING_MODEL
    input: str | Annotated[list[str], AfterValidator(_few)] = Field(min_length=1, max_length=100_000)
    encoding_format: Literal["float", "base64"] = "float"


class EmbeddingResponse(BaseModel):
    """Unit vectors in the order of the texts."""

    model_config = ConfigDict(json_schema_extra=with_example)

    object: Literal["list"] = "list"
    model: str
    data: list[dict[str, Any]]
    usage: dict[str, int]


@router.get("/models")
def list_models(service: ServiceDep) -> ModelList:
    """The models that can be asked, the one that quotes first."""
    names = [QUOTE_MODEL, *service.settings.answering.models]
    return ModelList(data=[ModelCard(id=name) for name in names])


@router.post("/chat/completions", response_model=ChatResponse, responses={200: {"content": EVENT_STREAM}})
async def chat(
    body: ChatRequest, request: Request, service: ServiceDep, _: GenerationSlot
) -> ChatResponse | StreamingResponse:
    """Answer the last message from the documents."""
    events = observed_by(request)(await run_in_threadpool(_events, body, service))
    reply = _Reply(body)
    if body.stream:
        return stream(events, reply.piece, lambda error: f"{data_line(error)}\n\n", request)
    answer = schemas.final_answer(iter(await all_drawn(events, request)))
    return ChatResponse(
        id=reply.id,
        created=reply.created,
        model=body.model,
        choices=[
            {"index": 0, "message": {"role": "assistant", "content": answer.answer}, "finish_reason": "stop"}
        ],
        usage=reply.usage(answer),
        citations=answer.citations,
        refused=answer.refused,
    )


def _events(body: ChatRequest, service: Service) -> Iterator[Event]:
    spoken = [m for m in body.messages if m.role in {"user", "assistant"}]
    if not spoken or spoken[-1].role != "user":
        raise QuestionError(
            "the last message must be the user's", maximum=service.settings.limits.question_characters
        )
    history = turns([HistoryMessage.model_validate({"role": m.role, "content": m.text}) for m in spoken[:-1]])
    names = body.knowledge_bases
    mode: Mode = "chat" if body.mode == "chat" else "documents"
    if mode == "chat":
        names = []
    elif body.mode == "files":
        if body.session_id is None:
            raise NoSourcesError("the mode files names no session_id")
        names = [files_of(service, body.session_id)]
    elif names is None:
        names = [info.name for info in service.knowledge_bases()]
    return service.ask_stream(
        spoken[-1].text,
        names,
        history=history,
        top_k=body.top_k,
        threshold=body.threshold,
        model=body.model,
        mode=mode,
    )


@router.post("/embeddings")
def embeddings(body: EmbeddingRequest, service: ServiceDep, _: EmbeddingSlot) -> EmbeddingResponse:
    """Embed texts as passages are embedded."""
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors = service.embedder().encode_documents(texts)
    return EmbeddingResponse(
        model=body.model,
        data=[
            {"object": "embedding", "index": index, "embedding": _encoded(vector, body.encoding_format)}
            for index, vector in enumerate(vectors)
        ],
        usage={"prompt_tokens": sum(map(len, texts)), "total_tokens": sum(map(len, texts))},
    )


class _Reply:
    """The parts that all pieces of one reply share."""

    def __init__(self, body: ChatRequest) -> None:
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self._body = body

    def usage(self, answer: schemas.Answer) -> dict[str, int]:
        """The tokens of the model; where nobody counted any, as in quoting, characters."""
        if answer.usage:
            prompt, completion = answer.usage.prompt_tokens, answer.usage.completion_tokens
        else:
            prompt, completion = sum(len(m.text) for m in self._body.messages), len(answer.answer)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def piece(self, event: Event) -> str:
        """One event of the answer as pieces of OpenAI's stream."""
        if isinstance(event, Token):
            return self._data(delta={"role": "assistant", "content": event.text})
        if not isinstance(event, Final):
            return ""
        answer = schemas.answer(event.answer)
        last = self._data(
            delta={},
            finish_reason="stop",
            citations=[citation.model_dump(mode="json") for citation in answer.citations],
            refused=answer.refused,
        )
        options = self._body.stream_options
        if options and options.include_usage:
            last += self._data(usage=self.usage(answer))
        return last + "data: [DONE]\n\n"

    def _data(
        self, *, delta: dict[str, Any] | None = None, finish_reason: str | None = None, **more: Any
    ) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        chunk = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self._body.model,
            "choices": choices,
            **more,
        }
        return f"{data_line(chunk)}\n\n"


def _encoded(vector: np.ndarray, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(np.ascontiguousarray(vector, dtype="<f4").tobytes()).decode()
    values: list[float] = vector.tolist()
    return values
