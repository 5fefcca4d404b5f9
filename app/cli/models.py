"""Model folders on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.cli.output import Output


def convert_model(output: Output, folder: Path, out: Path, *, family: str | None) -> None:
    """Convert an original checkpoint and print what came of it."""
    from models.checkpoints.conversion import convert, gigabytes
    from models.checkpoints.registration import quieten

    quieten()
    made = convert(
        folder, out, family=family, progress=lambda name, done, of: output.note(f"[{done}/{of}] {name}")
    )
    output.note("")
    result: dict[str, Any] = {
        "family": made.family.name,
        "folder": str(made.folder),
        "parameters": made.parameters,
        "bytes": made.bytes,
        "files": made.files,
        "tokenizer": made.tokenizer,
        "prompt_family": made.prompt_family,
    }
    output.result(result, f"{made.family.title}\t{gigabytes(made.bytes)}\t{made.folder}")
