"""From the names in the settings to models. Nothing heavy is imported before it is asked for."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.chat_spec import ChatModelSpec
from models.errors import ModelError, ModelNotFoundError, ModelPackageMissingError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from models.answerability import AnswerabilityReader
    from models.embedder import Embedder

__all__ = ["CHAT_MODELS", "ChatModelSpec", "load_answerability_reader", "load_chat_model", "load_embedder"]

_log = logging.getLogger(__name__)

DEFAULT_EMBEDDERS = ("default", "multilingual-e5-small")


def load_embedder(
    name: str,
    *,
    cache_dir: Path,
    device: str = "auto",
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Embedder:
    """Give the embedder of that name; what it needs is made, the model itself loads at first use.

    `name` is "default" (the model that comes with the installation), the folder of a
    SentenceTransformer model, "module:Class" of any LangChain embedding model, made with
    `options`, or the name of a model on the Hugging Face hub. Raises `ModelNotFoundError` or
    `ModelPackageMissingError` with what to do about it.
    """
    if name in DEFAULT_EMBEDDERS:
        return _default_embedder(cache_dir, device=device, threads=threads)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _folder_embedder(folder, cache_dir=cache_dir, device=device, threads=threads)
    if ":" in name and not folder.is_absolute():
        return _langchain_embedder(name, dict(options or {}))
    folder = _hub_folder(name, cache_dir)
    return _folder_embedder(folder, cache_dir=cache_dir, device=device, threads=threads)


def load_answerability_reader(cache_dir: Path, *, threads: int | None = None) -> AnswerabilityReader:
    """Give the reader of question and passage; its model is made when it is missing, and loads at first use.

    Raises `ModelPackageMissingError` where the default embedder's weights are not installed.
    """
    from models.answerability import AnswerabilityReader, ensure_answerability_model
    from models.e5_conversion import ensure_default_model

    base = ensure_default_model(cache_dir)
    return AnswerabilityReader(ensure_answerability_model(cache_dir, base), base, threads=threads)


def load_chat_model(spec: ChatModelSpec, *, cache_dir: Path | None = None) -> BaseChatModel:
    """Give the chat model of the settings; a local one loads its weights at the first use.

    A GGUF file is unpacked below `cache_dir` then, and cannot be used without one.
    Raises `ModelNotFoundError` for an unknown kind or folder and `ModelPackageMissingError`.
    """
    maker = CHAT_MODELS.get(spec.kind)
    if maker is not None:
        return maker(spec, cache_dir)
    if ":" in spec.kind:
        return _langchain_chat(spec)
    known = ", ".join(sorted(CHAT_MODELS))
    raise ModelNotFoundError(
        f"Unknown kind of chat model: {spec.kind}. Known are {known}, and module:Class of a LangChain one.",
        name=spec.kind,
    )


def gpu_visible() -> bool:
    """Whether there may be an NVIDIA card, told without importing torch."""
    return Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia/version").exists() or os.name == "nt"


def import_class(path: str) -> Any:
    """The object that "module:Name" names; raises `ModelPackageMissingError` or `ModelNotFoundError`."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        package = (error.name or module).partition(".")[0]
        install = f"pip install {package.replace('_', '-')}"
        raise ModelPackageMissingError(
            f"{path} needs the package {package}: {install}", install=install, package=package
        ) from error
    except (AttributeError, ImportError, ValueError) as error:
        raise ModelNotFoundError(f"There is no {path}: {error}", name=path) from error


def _default_embedder(cache_dir: Path, *, device: str, threads: int | None) -> Embedder:
    from models.e5_conversion import ensure_default_model
    from models.onnx_embedder import OnnxE5Embedder

    folder = ensure_default_model(cache_dir)
    if device == "cpu" or (device == "auto" and not _cuda_works()):
        return OnnxE5Embedder(folder, threads=threads)
    return _folder_embedder(folder, cache_dir=cache_dir, device=device, threads=threads)


def _cuda_works() -> bool:
    if not gpu_visible():
        return False
    import torch

    return bool(torch.cuda.is_available())


def _folder_embedder(folder: Path, *, cache_dir: Path, device: str, threads: int | None) -> Embedder:
    from models.sentence_transformer_embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(
        folder, device=device, threads=threads, digest_cache=cache_dir / "digests.json"
    )


def _langchain_embedder(path: str, options: dict[str, Any]) -> Embedder:
    from langchain_core.embeddings import Embeddings

    from models.embedder import Embedder
    from models.langchain_embedder import LangChainEmbedder

    inner = _make(path, options)
    if isinstance(inner, Embedder):
        return inner
    if not isinstance(inner, Embeddings):
        raise ModelNotFoundError(f"{path} is not a LangChain embedding model", name=path)
    described = ",".join(f"{key}={options[key]}" for key in sorted(options) if "key" not in key)
    return LangChainEmbedder(inner, name=described or path)


def _make(path: str, options: dict[str, Any]) -> Any:
    maker = import_class(path)
    try:
        return maker(**options)
    except Exception as error:  # a class of anyone's
        raise ModelError(f"{path} cannot be made: {error}", name=path) from error


def _hub_folder(name: str, cache_dir: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    where: dict[str, Any] = {
        "cache_dir": cache_dir / "hub",
        "allow_patterns": ["*.json", "*.safetensors", "*.txt", "*.model"],
    }
    way_out = "Set the folder of a model that is on this machine, or `default`."
    try:
        try:
            return Path(snapshot_download(name, local_files_only=True, **where))
        except LocalEntryNotFoundError:
            if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
                raise
        _log.info("downloading the model %s", name)
        return Path(snapshot_download(name, **where))
    except (HFValidationError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ModelNotFoundError(
            f"There is no folder {name}, and no model of that name can be had from the hub. {way_out}",
            name=name,
        ) from error


def _transformers_chat(spec: ChatModelSpec, cache_dir: Path | None) -> BaseChatModel:
    from models.gguf_folder import gguf_file
    from models.transformers_chat import TransformersChatModel

    folder = Path(spec.model).expanduser()
    if not (folder / "config.json").is_file() and gguf_file(folder) is None:
        raise ModelNotFoundError(
            f"{folder} is not the folder of a model in the format of transformers, nor a GGUF file.",
            name=str(folder),
            folder=str(folder),
        )
    return TransformersChatModel(
        folder=folder,
        cache_dir=cache_dir,
        device=spec.device,
        quantisation=spec.quantisation,
        adapter=spec.adapter.expanduser() if spec.adapter else None,
        family=spec.prompt_family,
        temperature=spec.temperature,
        repetition_penalty=spec.repetition_penalty,
        max_tokens=spec.max_tokens,
        context_tokens=spec.context_tokens,
        timeout=spec.timeout,
        answer_timeout=spec.answer_timeout,
        concurrency=spec.concurrency,
    )


def _openai_chat(spec: ChatModelSpec, _: Path | None) -> BaseChatModel:
    from pydantic import SecretStr

    from models.openai_chat import OpenAIServerChatModel

    # A server on this machine asks for no key, and the client insists on one.
    key = _api_key(spec) or "none"
    # Other servers than OpenAI's know the limit by its older name.
    limit: dict[str, Any] = {"max_completion_tokens": spec.max_tokens}
    if spec.base_url:
        limit = {"extra_body": {"max_tokens": spec.max_tokens}}
    return OpenAIServerChatModel(
        model=spec.model,
        base_url=spec.base_url,
        api_key=SecretStr(key),
        temperature=spec.temperature,
        timeout=spec.timeout,
        max_retries=spec.retries,
        stream_usage=True,
        **limit,
    )


def _langchain_chat(spec: ChatModelSpec) -> BaseChatModel:
    from langchain_core.language_models import BaseChatModel

    options = {
        "model": spec.model or None,
        "base_url": spec.base_url,
        "temperature": spec.temperature,
        "max_tokens": spec.max_tokens,
        "timeout": spec.timeout,
        "api_key": _api_key(spec),
    }
    model = _make(spec.kind, {name: value for name, value in options.items() if value is not None})
    if not isinstance(model, BaseChatModel):
        raise ModelNotFoundError(f"{spec.kind} is not a LangChain chat model", name=spec.kind)
    return model


def _api_key(spec: ChatModelSpec) -> str | None:
    if spec.api_key_env is None:
        return None
    key = os.environ.get(spec.api_key_env)
    if not key:
        raise ModelNotFoundError(
            f"The environment variable {spec.api_key_env}, which holds the key for {spec.model}, is not set.",
            name=spec.model or spec.kind,
            variable=spec.api_key_env,
        )
    return key


CHAT_MODELS: dict[str, Callable[[ChatModelSpec, Path | None], BaseChatModel]] = {
    "transformers": _transformers_chat,
    "openai": _openai_chat,
}
"""What makes each kind of chat model, given a folder for what it makes; a new kind is one more line."""
