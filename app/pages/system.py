"""What only those see who run the service; the pages give it to admins alone."""

from __future__ import annotations

from pathlib import Path

from app.logs import RECENT_PROBLEMS
from app.machine import machine, process_memory, versions
from app.messages import Language
from app.model_folders import FolderReport, describe


class SystemFacts:
    """Facts of the machine and of this process."""

    def versions(self) -> dict[str, str]:
        """Of the program, what it is made of, and the system."""
        found = machine()
        return {**versions(), "python": str(found["python"]), "system": str(found["system"])}

    def memory(self) -> int:
        """Bytes that the process holds."""
        return process_memory()

    def problems(self) -> list[str]:
        """Warnings and errors of the log, the newest first."""
        return RECENT_PROBLEMS.lines()

    def folder(self, folder: Path, language: Language) -> FolderReport:
        """What a model folder is. Raises `CheckpointError`."""
        return describe(folder, language)
