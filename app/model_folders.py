"""What a folder on the disk is, for whoever looks for a model: told in words and as fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.messages import Language, translate

if TYPE_CHECKING:
    from models.checkpoints.inspection import Inspection
    from models.checkpoints.memory import Machine


@dataclass(frozen=True, slots=True)
class FolderReport:
    """A model folder: `fields` for programs, `lines` for people; `sound` when nothing is wrong with it."""

    sound: bool
    lines: Sequence[str]
    fields: dict[str, Any]


def describe(folder: Path, language: Language) -> FolderReport:
    """Tell what a model folder, or a GGUF file, is; no model is loaded. Raises `CheckpointError`."""
    from models.checkpoints.inspection import inspect
    from models.checkpoints.memory import this_machine
    from models.checkpoints.registration import quieten

    quieten()
    found, machine = inspect(folder), this_machine()
    runs = machine.runs(found.needs) if found.needs else None
    findings = [
        {"code": f.code, "message": translate(f"finding.{f.code}", language, **f.details)}
        for f in found.findings
    ]
    out = folder.with_name(f"{folder.name}-native")
    advice = translate(f"advice.{found.advice}", language, folder=folder, out=out, title=found.title or "?")
    fields = asdict(found)
    fields |= {
        "folder": str(folder),
        "memory": fields.pop("needs"),
        "machine": asdict(machine),
        "runs": {"where": runs[0], "precision": runs[1]} if runs else None,
        "findings": findings,
        "advice": {"code": found.advice, "message": advice},
    }
    lines = [*_described(found, machine, runs, language), *(f["message"] for f in findings), advice]
    return FolderReport(not findings, lines, fields)


def _described(
    found: Inspection, machine: Machine, runs: tuple[str, str] | None, language: Language
) -> list[str]:
    from models.checkpoints.conversion import gigabytes

    named = ", ".join(
        part for part in (found.title, found.model_type, found.format, found.quantisation) if part
    )
    lines = [f"{translate(f'check.{found.kind}', language)}: {named}"]
    if found.parameters is not None:
        context = found.context_length or "?"
        size = f"{found.parameters / 1e9:.2f} B" if found.parameters >= 1e8 else f"{found.parameters:,}"
        lines.append(translate("check.size", language, parameters=size, context=context))
    if found.needs is not None:
        needs = {key: gigabytes(value) for key, value in asdict(found.needs).items() if value is not None}
        cache = needs.get("kv_cache_per_1000_tokens", "?")
        lines.append(translate("check.memory", language, **needs, cache=cache))
        where = runs[0] if runs else "nowhere"
        free = gigabytes(max((gpu.free for gpu in machine.gpus), default=0))
        lines.append(
            translate(
                f"check.runs.{where}",
                language,
                precision=runs[1] if runs else "",
                ram=gigabytes(machine.ram_available),
                gpu=free,
            )
        )
    return lines
