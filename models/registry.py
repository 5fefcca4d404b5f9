"""From the names in the settings to models. Nothing heavy is imported before it is asked for."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.embedder import Embedder
from models.errors import ModelError, ModelNotFoundError, ModelPackageMissingError

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

    return torch.cuda.is_available()


def _folder_embedder(folder: Path, *, cache_dir: Path, device: str, threads: int | None) -> Embedder:
    from models.sentence_transformer_embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(
        folder, device=device, threads=threads, digest_cache=cache_dir / "digests.json"
    )


def _langchain_embedder(path: str, options: dict[str, Any]) -> Embedder:
    from langchain_core.embeddings import Embeddings

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
