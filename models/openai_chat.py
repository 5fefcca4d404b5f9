"""A chat model behind a server that speaks OpenAI's protocol: vLLM, FastChat, llama.cpp, Ollama …"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import openai
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from models.errors import ModelError, ModelNotFoundError, ModelUnavailableError

logger = logging.getLogger(__name__)

_PROBE_SECONDS = 2.0


class OpenAIServerChatModel(ChatOpenAI):
    """LangChain's client, with errors that say what to do and a probe of the server.

    A request that the server could not take (no connection, 408, 409, 429, 5xx) is sent again up to
    `max_retries` times, after 0.5 s, 1 s, … and what `Retry-After` says. Once a stream has begun it
    is not repeated.
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
        with self._telling():
            yield from super()._stream(*args, **kwargs)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with self._telling():
            return super()._generate(*args, **kwargs)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        where = str(self.openai_api_base or "OpenAI")
        try:
            yield
        except openai.NotFoundError as error:
            raise ModelNotFoundError(
                f"The server at {where} knows no model {self.model_name}: {error}", name=self.model_name
            ) from error
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ModelError(
                f"The server at {where} refuses the key: set the environment variable that "
                "answering.models.NAME.api_key_env names.",
                name=self.model_name,
            ) from error
        except openai.APITimeoutError as error:
            raise ModelUnavailableError(
                f"The server at {where} did not answer in time.", name=self.model_name
            ) from error
        except openai.APIConnectionError as error:
            raise ModelUnavailableError(
                f"The server at {where} cannot be reached.", name=self.model_name
            ) from error
        except openai.APIError as error:
            logger.warning("the server at %s failed", where, exc_info=error)
            raise ModelUnavailableError(
                f"The server at {where} failed: {error}", name=self.model_name
            ) from error
