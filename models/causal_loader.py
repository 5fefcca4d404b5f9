"""Loading a causal language model from its folder, whole or quantised, with a LoRA."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.checkpoints.registration import register
from models.errors import ModelError, ModelNotFoundError, ModelPackageMissingError
from models.generation import release_memory, told
from models.lora import merge_adapter

Quantisation = Literal["none", "int8", "int4"]

_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory with its tokenizer."""

    model: Any
    tokenizer: Any
    device: str
    """Where it runs and as what, such as "cpu bfloat16" or "cuda:0 NVIDIA … bfloat16"."""
    memory_bytes: int
    """What weights and buffers take."""


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer alone. Raises `ModelError`."""
    from transformers import AutoTokenizer

    register()
    try:
        return AutoTokenizer.from_pretrained(str(folder), **_LOCAL)
    except Exception as error:  # every layer beneath raises its own
        raise _cannot_load(folder, error) from error


def load_causal_model(
    folder: Path, *, device: str = "auto", quantisation: Quantisation = "none", adapter: Path | None = None
) -> LoadedModel:
    """Load weights and tokenizer. No code of the folder is run and no pickle is read.

    Weights of half precision stay so where the processor computes with them, and become fp32 where
    it does not. `device` is "auto" (a CUDA card when there is one), "cpu", "cuda" or "cuda:1".
    Raises `ModelError`, `ModelNotFoundError` or `ModelPackageMissingError`, each with a way out.
    """
    if not (folder / "config.json").is_file():
        raise ModelNotFoundError(
            f"{folder} is not the folder of a model", name=str(folder), folder=str(folder)
        )
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    place = _device(device)
    tokenizer = load_tokenizer(folder)
    extra: dict[str, Any] = {}
    if quantisation != "none":
        if adapter is not None:
            raise ModelError(
                "A LoRA cannot be merged into quantised weights; load the model without quantisation.",
                folder=str(folder),
            )
        extra = {"quantization_config": _quantised(quantisation), "device_map": place}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=_dtype(folder, place),
            use_safetensors=True,
            **extra,
            **_LOCAL,
        )
        if quantisation == "none":
            model = model.to(place)
    except Exception as error:
        release_memory(torch.device(place).type)
        if (found := told(error)).code != "model_error":
            raise found from error
        raise _cannot_load(folder, error) from error
    model = model.eval().requires_grad_(False)
    if adapter is not None:
        merge_adapter(model, adapter)
    tensors = [*model.parameters(), *model.buffers()]
    return LoadedModel(
        model, tokenizer, _described(model), sum(t.numel() * t.element_size() for t in tensors)
    )


def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(
            f"There is no CUDA card for the device {wanted}; set the device to cpu.", device=wanted
        )
    return "cuda:0" if wanted == "cuda" else wanted


def _dtype(folder: Path, place: str) -> Any:
    """What to compute with: as stored, but half precision on a processor only where it has bfloat16."""
    import torch
    from transformers import AutoConfig

    half = torch.bfloat16 if place != "cpu" and torch.cuda.is_bf16_supported() else torch.float16
    if place == "cpu":
        half = torch.bfloat16 if has_bfloat16() else torch.float32
    stored = AutoConfig.from_pretrained(str(folder), **_LOCAL).dtype
    return half if stored in (torch.float16, torch.bfloat16) else "auto"


def has_bfloat16() -> bool:
    """Whether this processor computes with bfloat16; where it does not, that is slower than fp32."""
    import torch

    has = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(has())


def _quantised(quantisation: Quantisation) -> Any:
    if importlib.util.find_spec("bitsandbytes") is None:
        install = "pip install bitsandbytes accelerate"
        raise ModelPackageMissingError(
            f"Loading a model as {quantisation} needs the package bitsandbytes: {install}",
            install=install,
            package="bitsandbytes",
        )
    import torch
    from transformers import BitsAndBytesConfig

    if quantisation == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )


def _described(model: Any) -> str:
    import torch

    dtype = str(model.dtype).removeprefix("torch.")
    if model.device.type == "cuda":
        return f"{model.device} {torch.cuda.get_device_name(model.device)} {dtype}"
    return f"{model.device.type} {dtype}"


def _cannot_load(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"The language model in {folder} cannot be loaded: {error}", folder=str(folder))
