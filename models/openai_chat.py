"""A chat model behind a server that speaks OpenAI's protocol: vLLM, FastChat, llama.cpp, Ollama …"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import openai
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from models.errors import (
    ModelError,
    ModelKeyError,
    ModelNotFoundError,
    ModelRefusalError,
    ModelUnavailableError,
)

logger = logging.getLogger(__name__)

_PROBE_SECONDS = 2.0
_SHORTEST_KEY = 8
"""Characters; what is shorter, such as the word for no key, is no secret."""


class OpenAIServerChatModel(ChatOpenAI):
    """LangChain's client, with errors that say what to do and a probe of the server.

    A request that the server could not take (no connection, 408, 409, 429, 5xx) is sent again up to
    `max_retries` times, after 0.5 s, 1 s, … and what `Retry-After` says. Once a stream has begun it
    is not repeated, and one that ends without saying that the answer is whole is an error.
    """

    def reachable(self) -> bool:
        """Whether something listens at the server's address now."""
        address = urlsplit(str(self.root_client.base_url))
        port = address.port or (443 if address.scheme == "https" else 80)
        try:
            socket.create_connection((address.hostname or "", port), timeout=_PROBE_SECONDS).close()
        except OSError:
            return False
        return True

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        begun = ended = False
        try:
            for chunk in super()._stream(*args, **kwargs):
                begun = True
                ended = ended or bool((chunk.generation_info or {}).get("finish_reason"))
                yield chunk
            if not ended:
                raise ConnectionError("the stream ended in the middle of the answer")
        except Exception as error:  # the transport raises its own
            raise self._told(error, begun=begun) from None

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        try:
            return super()._generate(*args, **kwargs)
        except Exception as error:
            raise self._told(error) from None

    def _told(self, error: Exception, *, begun: bool = False) -> ModelError:
        """The error of ours for what the client raised, without the key that a server may repeat."""
        name, where, said = self.model_name, str(self.openai_api_base or "OpenAI"), self._without_key(error)
        if isinstance(error, openai.NotFoundError):
            return ModelNotFoundError(f"The server at {where} knows no model {name}: {said}", name=name)
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ModelKeyError(
                f"The server at {where} refuses the key: set the environment variable that "
                "answering.models.NAME.api_key_env names.",
                name=name,
            )
        logger.warning("the server at %s failed: %s: %s", where, type(error).__name__, said)
        if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            return ModelRefusalError(f"The server at {where} refuses the request: {said}", name=name)
        if begun:
            return ModelUnavailableError(f"The server at {where} broke off: {said}", name=name)
        if isinstance(error, openai.APITimeoutError):
            return ModelUnavailableError(f"The server at {where} did not answer in time.", name=name)
        if isinstance(error, openai.APIConnectionError):
            return ModelUnavailableError(f"The server at {where} cannot be reached.", name=name)
        return ModelUnavailableError(f"The server at {where} failed: {said}", name=name)

    def _without_key(self, error: Exception) -> str:
        key = self.openai_api_key
        secret = key.get_secret_value() if isinstance(key, SecretStr) else ""
        return str(error).replace(secret, "***") if len(secret) > _SHORTEST_KEY else str(error)
