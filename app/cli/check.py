"""Checking the data folder, and saving what can be read of a damaged one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from app.cli.output import Output
from app.errors import SettingsError


def check_folder(output: Output, *, deep: bool, rescue: Path | None) -> None:
    """Print what is damaged; exit status 1 when anything is."""
    with output.service() as service:
        findings = service.integrity.check(deep=deep)
        result: dict[str, Any] = {
            "sound": not findings,
            "findings": [asdict(finding) for finding in findings],
        }
        lines = [
            " ".join(part for part in (f.code, f.knowledge_base, f.document, f.detail, f.file) if part)
            for f in findings
        ]
        if rescue is not None:
            try:
                saved = service.integrity.rescue(rescue)
            except FileExistsError as error:
                raise SettingsError(str(error), key="--rescue", reason=str(error)) from error
            result["rescued"] = asdict(saved)
            lines.append(f"{rescue}: {saved.documents} documents, {saved.rows} rows")
    output.result(result, "\n".join(lines) or "OK")
    if findings:
        raise click.exceptions.Exit(1)
