"""`zhiwen models`: chat models, model folders and the embedder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from app.cli.output import Output, output_options


@click.group()
def models() -> None:
    """模型 / Models."""


@models.command("list")
@output_options
def models_list(output: Output) -> None:
    """列出可用的对话模型 / List the chat models that the settings name."""
    from app.answering.answerer import QUOTE_MODEL

    answering = output.settings().answering
    names = [QUOTE_MODEL, *answering.models]
    listed = [{"name": name, "default": name == answering.model} for name in names]
    output.result({"models": listed}, "\n".join(names))


@models.command("check")
@click.argument("folder", type=click.Path(path_type=Path))
@output_options
def models_check(output: Output, folder: Path) -> None:
    """检查模型文件夹：是什么、是否完整、能否运行 / Tell what a model folder is and whether it will run."""
    _check(output, folder)


@models.command("convert")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--family", metavar="NAME", help="模型系列，看不出时指明 / what it is, if the folder does not tell"
)
@output_options
def models_convert(output: Output, folder: Path, out: Path, family: str | None) -> None:
    """转换原版 ChatGLM 或 Baichuan / Convert an original ChatGLM or Baichuan folder."""
    _convert(output, folder, out, family=family)


@models.command("calibrate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_options
def models_calibrate(output: Output, files: tuple[Path, ...]) -> None:
    """用问题集校准相关度 / Calibrate the relevance for the embedder on question sets in SQuAD format."""
    _calibrate(output, files)


@models.command("prepare")
@output_options
def models_prepare(output: Output) -> None:
    """预先生成所需模型 / Make the models that the settings need, ahead of the first start."""
    from app.composition import prepare_models

    settings = output.settings()
    prepare_models(settings)
    output.result({"models_dir": str(settings.models_folder)}, str(settings.models_folder))


def _check(output: Output, folder: Path) -> None:
    """Print what a folder is, what is wrong with it and what to do; exit status 1 when something is."""
    from app.model_folders import describe

    report = describe(folder, output.language())
    output.result(report.fields, "\n".join(report.lines))
    if not report.sound:
        raise click.exceptions.Exit(1)


def _convert(output: Output, folder: Path, out: Path, *, family: str | None) -> None:
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


def _calibrate(output: Output, files: Sequence[Path]) -> None:
    """Calibrate the embedder of the settings and print where it is kept."""
    from app.calibrating import calibrate

    made = calibrate(output.settings(), files, progress=output.note)
    output.note("")
    result = {
        "embedder": made.embedder,
        "threshold": made.calibration.threshold,
        "weights": dict(made.calibration.weights),
        "intercept": made.calibration.intercept,
        "file": str(made.file),
    }
    output.result(result, f"{made.embedder}\t{made.calibration.threshold}\t{made.file}")
