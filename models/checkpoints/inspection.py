"""What a model folder is, what is wrong with it, and what to do with it.

Everything is read from names, JSON and the headers of weight files; no model is loaded and no code
of the folder is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.checkpoints.conversion import architecture, read_config
from models.checkpoints.families import FAMILIES, is_original, read_tokenizer_config, recognise
from models.checkpoints.gguf_header import read_gguf
from models.checkpoints.memory import Needs, needs_of
from models.checkpoints.ocr_folder import is_ocr_folder, ocr_name
from models.checkpoints.registration import register
from models.checkpoints.weights import TensorInfo, WeightFiles, is_pointer, read_json
from models.errors import CheckpointError

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "ice_text.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: its code, and what its text names."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a folder. `format` is native, original, converted, gguf or adapter."""

    kind: str
    """language_model, embedder, reranker, adapter, ocr or unknown."""
    format: str | None = None
    title: str | None = None
    model_type: str | None = None
    prompt: str | None = None
    """The prompt family, or "chat_template"; None when the model cannot be talked to."""
    quantisation: str | None = None
    dtype: str | None = None
    parameters: int | None = None
    bytes: int | None = None
    context_length: int | None = None
    needs: Needs | None = None
    advice: str = "unknown"
    """What to do next, by the code of its text."""
    findings: tuple[Finding, ...] = ()


def inspect(folder: Path) -> Inspection:
    """Tell what a model folder, or a GGUF file, is; raises `CheckpointError` when there is none."""
    if folder.is_file() and folder.suffix == ".gguf":
        return _judged(_gguf(folder))
    if not folder.is_dir():
        raise CheckpointError("no_folder", f"{folder} is not a folder", folder=str(folder))
    pointers = tuple(_pointers(folder))
    try:
        found = _inspect(folder)
    except CheckpointError as error:
        found = Inspection("unknown", findings=(_finding(error),))
    # A pointer explains whatever else does not fit.
    return _judged(replace(found, findings=pointers or found.findings))


def _judged(found: Inspection) -> Inspection:
    return replace(found, advice="repair") if found.findings and found.advice != "remote_code" else found


def _pointers(folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and is_pointer(path):
            yield Finding("lfs_pointer", f"{path.name} is a Git LFS pointer", {"file": path.name})


def _finding(error: CheckpointError) -> Finding:
    return Finding(error.finding, str(error), error.details)


def _inspect(folder: Path) -> Inspection:
    if (folder / "adapter_config.json").is_file():
        base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
        return Inspection("adapter", "adapter", str(base) if base else None, advice="adapter")
    # Exported PaddleOCR models have a config.json of their own beside inference.yml.
    if is_ocr_folder(folder):
        return _ocr(folder)
    if not (folder / "config.json").is_file():
        files = sorted(folder.glob("*.gguf"))
        if files:
            return _gguf(files[0])
    config = read_config(folder)
    if is_original(config):
        return _original(folder, config)
    kind = _kind(folder, config)
    found = Inspection(
        kind,
        "native",
        _title(config),
        _text(config, "model_type"),
        quantisation=_quantisation(config),
        context_length=_context(config),
        advice={"language_model": "use"}.get(kind, kind),
    )
    if kind == "language_model":
        found = _language_model(folder, config, found)
    return _weighed(folder, config, found)


def _kind(folder: Path, config: Mapping[str, Any]) -> str:
    architectures = " ".join(map(str, config.get("architectures") or ()))
    sentence = folder / "config_sentence_transformers.json"
    if (sentence.is_file() and read_json(sentence).get("model_type") == "CrossEncoder") or (
        "ForSequenceClassification" in architectures
    ):
        return "reranker"
    if (folder / "modules.json").is_file():
        return "embedder"
    if "ForCausalLM" in architectures or "ForConditionalGeneration" in architectures:
        return "language_model"
    # Without a head it may embed: encoders do, and are published as such.
    return "embedder" if architectures.endswith("Model") else "unknown"


def _language_model(folder: Path, config: Mapping[str, Any], found: Inspection) -> Inspection:
    tokenizer = read_tokenizer_config(folder)
    family = tokenizer.get("prompt_family")
    if isinstance(family, str):
        found = replace(found, format="converted", prompt=family)
    elif tokenizer.get("chat_template") or (folder / "chat_template.jinja").is_file():
        found = replace(found, prompt="chat_template")
    else:
        found = replace(found, advice="no_prompt")
    problems = []
    if not _known_to_transformers(str(config.get("model_type"))):
        problems.append(
            Finding(
                "remote_code",
                f"transformers has no class for {config.get('model_type')}",
                {"model_type": config.get("model_type")},
            )
        )
        found = replace(found, advice="remote_code")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        problems.append(Finding("tokenizer_missing", "there is no tokenizer", {"file": "tokenizer.json"}))
    return replace(found, findings=tuple(problems))


def _ocr(folder: Path) -> Inspection:
    found = Inspection("ocr", "native", folder.name, advice="ocr")
    try:
        found = replace(found, title=ocr_name(folder))
    except CheckpointError as error:
        return replace(found, findings=(_finding(error),))
    return replace(found, bytes=sum(path.stat().st_size for path in folder.glob("inference.*")))


def _original(folder: Path, config: Mapping[str, Any]) -> Inspection:
    """An original checkpoint, held to all that a conversion would ask."""
    found = Inspection(
        "language_model",
        "original",
        model_type=str(config["model_type"]),
        quantisation=_quantisation(config),
        advice="convert",
    )
    held: dict[str, TensorInfo] = {}
    try:
        family = recognise(folder, config)
        found = replace(found, title=family.title, prompt=family.prompt)
        for _, tensors in WeightFiles.of(folder).tensors():
            held |= tensors
        native, plan = architecture(family, config, set(held))
        found = replace(found, context_length=native["max_position_embeddings"])
        plan.check(held)
        plan.check_complete(held)
        vocabulary = "ice_text.model" if family.tokenizer == "ice" else "tokenizer.model"
        if not (folder / vocabulary).is_file():
            raise CheckpointError("tokenizer_missing", f"{vocabulary} is missing", file=vocabulary)
    except CheckpointError as error:
        return _with_weights(_native_names(config), held, replace(found, findings=(_finding(error),)))
    held = {name: info for name, info in held.items() if plan.wanted(name)}
    return _with_weights(native, held, found)


def _native_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """An original configuration's sizes under their native names, as far as it states them."""
    names = {"num_layers": "num_hidden_layers", "multi_query_group_num": "num_key_value_heads"}
    return {names.get(key, key): value for key, value in config.items()}


def _weighed(folder: Path, config: Mapping[str, Any], found: Inspection) -> Inspection:
    held: dict[str, TensorInfo] = {}
    try:
        weights = WeightFiles.of(folder)
        for _, tensors in weights.tensors():
            held |= tensors
    except CheckpointError as error:
        return replace(found, findings=(*found.findings, _finding(error)))
    found = _with_weights(config, held, found)
    if found.kind == "language_model" and weights.files[0].suffix != ".safetensors":
        pickled = Finding("pytorch_only", "the weights are PyTorch files", {"file": weights.files[0].name})
        found = replace(found, findings=(*found.findings, pickled))
    return found


def _with_weights(config: Mapping[str, Any], held: Mapping[str, TensorInfo], found: Inspection) -> Inspection:
    if not held:
        return found
    dtypes = Counter(info.dtype for info in held.values())
    names = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
    dtype = dtypes.most_common(1)[0][0]
    found = replace(found, bytes=sum(info.size for info in held.values()), dtype=names.get(dtype, dtype))
    # Numbers that are packed, or files that are missing, say nothing of the model's size.
    if found.quantisation is not None or found.findings:
        return found
    found = replace(found, parameters=sum(info.numbers for info in held.values()))
    return replace(found, needs=needs_of(held, config)) if found.kind == "language_model" else found


def _gguf(path: Path) -> Inspection:
    try:
        header = read_gguf(path)
    except CheckpointError as error:
        return Inspection("language_model", "gguf", path.name, findings=(_finding(error),))
    kind = str(header.get("general.architecture"))
    context = header.get(f"{kind}.context_length")
    return Inspection(
        "language_model",
        "gguf",
        str(header.get("general.name") or path.name),
        kind,
        prompt="chat_template" if header.get("tokenizer.chat_template") else None,
        quantisation="gguf",
        bytes=path.stat().st_size,
        context_length=int(context) if isinstance(context, int) else None,
        advice="gguf" if kind in _gguf_architectures() else "gguf_server",
    )


def _gguf_architectures() -> set[str]:
    from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

    return set(GGUF_CONFIG_MAPPING) - {"general", "tokenizer"}


def _known_to_transformers(model_type: str) -> bool:
    from transformers import CONFIG_MAPPING

    register()
    return model_type in CONFIG_MAPPING


def _title(config: Mapping[str, Any]) -> str | None:
    family = FAMILIES.get(str(config.get("converted_from")))
    if family is not None:
        return family.title
    name = _text(config, "_name_or_path")
    return Path(name).name if name else None


def _quantisation(config: Mapping[str, Any]) -> str | None:
    settings = config.get("quantization_config")
    if isinstance(settings, dict):
        return str(settings.get("quant_method") or "unknown")
    bits = config.get("quantization_bit")
    return f"int{bits}" if bits else None


def _context(config: Mapping[str, Any]) -> int | None:
    """Tokens at most: as the configuration says, or as its class has it where it says nothing."""
    from transformers import CONFIG_MAPPING

    kind = config.get("model_type")
    inner = config.get("text_config")
    silent = CONFIG_MAPPING[kind]().to_dict() if kind in CONFIG_MAPPING else {}
    for part in (config, inner if isinstance(inner, dict) else {}, silent):
        for key in ("max_position_embeddings", "n_positions", "seq_length", "model_max_length"):
            if isinstance(part.get(key), int):
                return int(part[key])
    return None


def _text(config: Mapping[str, Any], key: str) -> str | None:
    value = config.get(key)
    return value if isinstance(value, str) and value else None
