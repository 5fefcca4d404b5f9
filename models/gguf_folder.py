"""A GGUF file as a folder in transformers' own form, made once and kept.

Reading a GGUF file takes a minute for a large vocabulary, because its header is read word by word
and every block is unpacked; the folder loads in seconds. It is kept under the file's digest.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

from models.artifacts import ensure_folder
from models.digests import file_digest
from models.errors import ModelError, ModelPackageMissingError

_log = logging.getLogger(__name__)

_VERSION = "1"
"""Goes up when the folders are made otherwise than before."""


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that is meant: the path itself, or the only one in a folder without a config."""
    if path.is_file():
        return path if path.suffix == ".gguf" else None
    files = list(path.glob("*.gguf")) if path.is_dir() and not (path / "config.json").is_file() else []
    return files[0] if len(files) == 1 else None


def folder_of(file: Path, *, cache_dir: Path) -> Path:
    """The folder that a GGUF file becomes, below `cache_dir`; it is made when it is not there.

    Its weights are unpacked to float16, which takes about four times the room of 4-bit blocks.
    Raises `ModelError`, and `ModelPackageMissingError` where a package to read the file is missing.
    """
    for package in ("gguf", "accelerate"):
        if importlib.util.find_spec(package) is None:
            install = "pip install gguf accelerate"
            raise ModelPackageMissingError(
                f"Reading {file.name} needs the package {package}: {install}",
                install=install,
                package=package,
            )
    digest = file_digest(file, cache=cache_dir / "digests.json")
    try:
        return ensure_folder(
            cache_dir / f"gguf-{digest[:16]}",
            version=f"{_VERSION}:{digest}",
            build=lambda made: _unpack(file, made),
        )
    except Exception as error:  # every layer beneath raises its own
        raise ModelError(
            f"The language model in {file} cannot be loaded: {error}", folder=str(file)
        ) from error


def _unpack(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    _log.info("unpacking %s; this is done once", file)
    source: dict[str, Any] = {
        "pretrained_model_name_or_path": str(file.parent),
        "gguf_file": file.name,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.float16, quantization_config=GgufConfig(dequantize=True)
    )
    # What was unpacked is an ordinary model, but still calls itself quantised.
    model.hf_quantizer = None
    model.config.__dict__.pop("quantization_config", None)
    model.save_pretrained(folder, save_original_format=False)
