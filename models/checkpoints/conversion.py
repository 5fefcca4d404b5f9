"""From an original ChatGLM or Baichuan folder to one that transformers loads by itself.

Everything is checked before a byte is written: the configuration, every tensor's name and shape,
the space on the disk. Then the shards stream through, one tensor in memory at a time, into a
folder aside, which takes its name when it is complete. No code of the folder is run or copied.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.checkpoints.baichuan import baichuan
from models.checkpoints.chatglm import chatglm_6b, glm
from models.checkpoints.families import FAMILIES, Family, is_original, recognise
from models.checkpoints.plan import Plan, Target
from models.checkpoints.registration import register
from models.checkpoints.safetensors_writer import write_safetensors
from models.checkpoints.tokenizers import ConvertedTokenizer, convert_tokenizer
from models.checkpoints.weights import TensorInfo, WeightFiles, opened, read_json
from models.errors import CheckpointError

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]
"""Told what is done now, how many steps are behind it, and how many there are."""

_DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_SPARE_BYTES = 64 << 20
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted and what came of it."""

    family: Family
    folder: Path
    parameters: int
    bytes: int
    files: int
    tokenizer: str
    prompt_family: str | None


@dataclass(frozen=True, slots=True)
class _Shard:
    source: Path
    name: str
    tensors: dict[str, TensorInfo]
    origins: dict[str, tuple[str, Target]]


def convert(
    folder: Path, out: Path, *, family: str | None = None, progress: Progress | None = None
) -> Conversion:
    """Convert the original checkpoint in `folder` to the new folder `out`.

    `family` names what it is where the folder does not tell. Raises `CheckpointError` with the
    reason; `out` then does not exist.
    """
    note: Progress = progress or (lambda *_: None)
    if out.exists() or out.is_symlink():
        raise CheckpointError("out_exists", f"{out} exists already", folder=str(out))
    config = read_config(folder)
    if not is_original(config):
        raise CheckpointError(
            "not_original",
            f"{folder} is no original ChatGLM or Baichuan checkpoint: its model_type is "
            f"{config.get('model_type')}",
            model_type=str(config.get("model_type")),
        )
    known = _family(folder, config, family)
    weights = WeightFiles.of(folder)
    held = list(weights.tensors(lambda path: note(path.name, 0, len(weights.files))))
    names = {name for _, tensors in held for name in tensors}
    native, plan = architecture(known, config, names)
    shards = _shards(held, plan)
    total = sum(info.size for shard in shards for info in shard.tensors.values())
    _check_space(out, total)

    register()
    out.parent.mkdir(parents=True, exist_ok=True)
    for left_over in out.parent.glob(f".{glob.escape(out.name)}-converting-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-converting-", dir=out.parent))
    try:
        prompt = _prompt_family(folder, config, known)
        generation = _generation(folder)
        extra: dict[str, Any] = {
            key: generation[key] for key in ("user_token_id", "assistant_token_id") if key in generation
        }
        if prompt is not None:
            extra["prompt_family"] = prompt
        # First, for it fails more often than the weights and is quicker.
        tokenizer = convert_tokenizer(folder, scratch, known, extra, vocabulary=native["vocab_size"])
        _write_config(scratch, known, native, tokenizer, shards)
        _write_generation(scratch, known, generation, tokenizer)
        for n, shard in enumerate(shards):
            note(shard.source.name, n, len(shards))
            _write_shard(scratch, shard)
        note("", len(shards), len(shards))
        if len(shards) > 1:
            index = {
                "metadata": {"total_size": total},
                "weight_map": {name: shard.name for shard in shards for name in shard.tensors},
            }
            _write_json(scratch / "model.safetensors.index.json", index)
        _copy_licences(folder, scratch)
        _check_loads(scratch, {n: info.shape for shard in shards for n, info in shard.tensors.items()})
        scratch.chmod(0o755)
        scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    parameters = sum(info.numbers for shard in shards for info in shard.tensors.values())
    return Conversion(known, out, parameters, total, len(shards), tokenizer.kind, prompt)


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model folder; raises `CheckpointError` when there is none."""
    if not folder.is_dir():
        raise CheckpointError("no_folder", f"{folder} is not a folder", folder=str(folder))
    if not (folder / "config.json").is_file():
        raise CheckpointError("no_config", f"{folder} has no config.json", folder=str(folder))
    return read_json(folder / "config.json")


def architecture(family: Family, config: Mapping[str, Any], names: set[str]) -> tuple[dict[str, Any], Plan]:
    """The native configuration, and what becomes of each tensor; raises `CheckpointError`."""
    if family.name == "chatglm-6b":
        tied = bool(config.get("tie_word_embeddings")) or "lm_head.weight" not in names
        return chatglm_6b(config, tied=tied)
    if family.model_type == "glm":
        return glm(family, config)
    return baichuan(family, config)


def _family(folder: Path, config: Mapping[str, Any], name: str | None) -> Family:
    if name is None:
        return recognise(folder, config)
    if name not in FAMILIES or ("glm" in name) != (config.get("model_type") == "chatglm"):
        raise CheckpointError(
            "unknown_family",
            f"{name} is no family of {config.get('model_type')} checkpoints",
            model_type=name,
        )
    return FAMILIES[name]


def _shards(held: list[tuple[Path, Mapping[str, TensorInfo]]], plan: Plan) -> list[_Shard]:
    names: set[str] = set()
    shards = []
    for path, tensors in held:
        plan.check(tensors)
        names |= tensors.keys()
        made: dict[str, TensorInfo] = {}
        origins: dict[str, tuple[str, Target]] = {}
        for name, info in tensors.items():
            for target in plan.sources[name].targets if plan.wanted(name) else ():
                rows = (info.shape[0] if target.stop is None else target.stop) - target.start
                made[target.name] = TensorInfo(info.dtype, (rows, *info.shape[1:]))
                origins[target.name] = (name, target)
        if made:
            shards.append((path, made, origins))
    plan.check_complete(names)
    count = len(shards)
    return [
        _Shard(
            path,
            "model.safetensors" if count == 1 else f"model-{n:05}-of-{count:05}.safetensors",
            made,
            origins,
        )
        for n, (path, made, origins) in enumerate(shards, 1)
    ]


def gigabytes(size: float) -> str:
    """A number of bytes as people read it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _check_space(out: Path, needed: int) -> None:
    place = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed + _SPARE_BYTES:
        raise CheckpointError(
            "disk_full",
            f"the converted model takes {needed} bytes, and {place} has {free} left",
            needed=gigabytes(needed + _SPARE_BYTES),
            free=gigabytes(free),
        )


def _write_shard(scratch: Path, shard: _Shard) -> None:
    with opened(shard.source) as tensor:

        def numbers() -> Iterator[tuple[str, Iterator[torch.Tensor]]]:
            for name, (origin, target) in shard.origins.items():
                yield name, _parts(tensor(origin), target)

        write_safetensors(scratch / shard.name, shard.tensors, numbers())


def _parts(tensor: torch.Tensor, target: Target) -> Iterator[torch.Tensor]:
    from torch.nn.functional import normalize

    rows = tensor[target.start : target.stop]
    if not target.normalise_rows:
        yield rows
        return
    for start in range(0, len(rows), _ROWS):
        yield normalize(rows[start : start + _ROWS].float()).to(rows.dtype)


def _prompt_family(folder: Path, config: Mapping[str, Any], family: Family) -> str | None:
    """The prompt family, or None for a base model of Baichuan, which has none."""
    if family.prompt != "baichuan" or "user_token_id" in _generation(folder):
        return family.prompt
    names = (folder.resolve().name, config.get("_name_or_path"))
    return family.prompt if any("chat" in str(name).lower() for name in names) else None


def _generation(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    return read_json(path) if path.is_file() else {}


def _write_config(
    scratch: Path, family: Family, native: dict[str, Any], tokenizer: ConvertedTokenizer, shards: list[_Shard]
) -> None:
    from transformers import AutoConfig

    dtypes = Counter(info.dtype for shard in shards for info in shard.tensors.values())
    tokens: dict[str, Any] = {"pad_token_id": tokenizer.pad, "eos_token_id": _one_or_all(tokenizer.stops)}
    if family.model_type == "chatglm_6b":
        tokens |= {"bos_token_id": tokenizer.start, "gmask_token_id": tokenizer.mask}
    elif family.model_type != "glm":
        tokens["bos_token_id"] = 1
    config = AutoConfig.for_model(
        family.model_type,
        **native,
        **tokens,
        architectures=[family.model_class],
        dtype=_DTYPES[dtypes.most_common(1)[0][0]],
        converted_from=family.name,
    )
    config.save_pretrained(str(scratch))


def _write_generation(
    scratch: Path, family: Family, given: Mapping[str, Any], tokenizer: ConvertedTokenizer
) -> None:
    known = ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty")
    defaults = {**family.generation, **{key: given[key] for key in known if given.get(key) is not None}}
    _write_json(
        scratch / "generation_config.json",
        {**defaults, "eos_token_id": _one_or_all(tokenizer.stops), "pad_token_id": tokenizer.pad},
    )


def _one_or_all(ids: tuple[int, ...]) -> int | list[int]:
    return ids[0] if len(ids) == 1 else list(ids)


def _check_loads(scratch: Path, written: dict[str, tuple[int, ...]]) -> None:
    """Raise `CheckpointError` unless the written tensors are exactly those of the native class."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(scratch), local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        wanted.pop("lm_head.weight", None)
    different = sorted(wanted.items() ^ written.items())
    if different:
        name = different[0][0]
        raise CheckpointError(
            "missing_tensor",
            f"the native class and the plan differ in {len(different)} tensors, among them {name}",
            tensor=name,
            missing=len(different),
        )


def _copy_licences(folder: Path, scratch: Path) -> None:
    for path in folder.iterdir():
        if "LICENSE" in path.name.upper() and path.suffix.lower() in ("", ".txt", ".md", ".pdf"):
            shutil.copyfile(path, scratch / path.name)


def _write_json(path: Path, value: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.flush()
        os.fsync(file.fileno())
