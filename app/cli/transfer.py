"""Exporting and importing knowledge bases; backing up the whole data folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.output import Output, output_options

if TYPE_CHECKING:
    from knowledge_base.package_files import Progress


@click.command("export")
@click.argument("knowledge_base", metavar="KB")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@output_options
def export(output: Output, knowledge_base: str, file: Path) -> None:
    """导出知识库为一个文件 / Write a knowledge base into one file."""
    with output.service() as service:
        made = service.exports.export(knowledge_base, file, progress=_shown(output))
    output.note("")
    output.result({"file": str(file), **asdict(made)}, f"{file}\t{made.documents}\t{made.chunks}")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", metavar="NEW", help="换一个名称 / under another name")
@output_options
def import_(output: Output, file: Path, name: str | None) -> None:
    """导入一个导出的知识库 / Take in an exported knowledge base."""
    with output.service() as service:
        taken = service.imports.import_package(file, name=name, progress=_shown(output))
    output.note("")
    output.result(asdict(taken), f"{taken.name}\t{taken.documents}\t{taken.chunks}")


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@output_options
def backup(output: Output, folder: Path) -> None:
    """备份整个数据文件夹到新文件夹 / Copy the whole data folder into a new one, while it is used."""
    with output.service() as service:
        made = service.backups.backup(folder, progress=_shown(output))
    output.note("")
    lines = [f"{made.folder}\t{made.files}", *(f"file_missing\t{name}" for name in made.missing)]
    output.result(asdict(made), "\n".join(lines))


@click.command("restore")
@click.argument("folder", metavar="BACKUP", type=click.Path(path_type=Path))
@output_options
def restore(output: Output, folder: Path) -> None:
    """把备份恢复到空的数据文件夹 / Put a backup into the data folder, which must be empty."""
    from knowledge_base.restoring import restore as restore_backup

    restored = restore_backup(folder, output.settings().data_dir, progress=_shown(output))
    output.note("")
    output.result(asdict(restored), f"{restored.folder}\t{restored.files}")


def _shown(output: Output) -> Progress:
    return lambda stage, done, total: output.note(f"{stage} {done}/{total}")
