"""`zhiwen bench`: speed, memory and recall of the engines, beside what others do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.output import Output, output_options

if TYPE_CHECKING:
    from app.bench.collection import Source
    from app.bench.plot import Plot

SIZES = (5_000, 20_000, 200_000)
QUICK_SIZES = (1_000, 5_000)

_QUESTIONS = click.option(
    "--questions",
    multiple=True,
    type=click.Path(path_type=Path),
    help="取用段落与问题的 SQuAD 文件，默认用示例文档 / SQuAD files to take passages from",
)
_QUICK = click.option("--quick", is_flag=True, help="只测小规模 / small sizes only")


@click.group()
def bench() -> None:
    """测量速度与内存，并与常见做法对比 / Measure speed and memory beside what others do."""


def _by_size(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--sizes", help="规模，逗号分隔 / chunks, such as 5000,20000,200000,1000000"),
        click.option("--rivals-up-to", type=int, default=200_000, help="对照测到此规模 / rivals up to this"),
        click.option("--plot", type=click.Path(path_type=Path), help="写出 SVG 图 / write a plot as SVG"),
        _QUESTIONS,
        _QUICK,
    ):
        command = option(command)
    return command


@bench.command("retrieval")
@click.option(
    "--keep", is_flag=True, help="分段建立并保留对照以外的大规模索引 / keep large indexes, built in stages"
)
@_by_size
@output_options
def bench_retrieval(output: Output, keep: bool, **options: Any) -> None:
    """各规模下的检索耗时 / Latency of a search by size of the collection."""
    from app.bench.plot import LATENCIES
    from app.bench.retrieval import measure_retrieval

    folder = _cache(output) if keep else None
    _measure_sizes(output, partial(measure_retrieval, keep=folder), drawn=LATENCIES, **options)


@bench.command("index")
@_by_size
@output_options
def bench_index(output: Output, **options: Any) -> None:
    """建立与更新索引的耗时和内存 / Time and memory of building and changing an index."""
    from app.bench.indexing import measure_index
    from app.bench.plot import BUILDING

    _measure_sizes(output, measure_index, drawn=BUILDING, **options)


@bench.command("embed")
@click.option("--passages", type=click.IntRange(2), default=128, help="段落数 / how many passages")
@click.option("--rounds", type=click.IntRange(1), default=3, help="轮数 / how often, in turn")
@_QUESTIONS
@_QUICK
@output_options
def bench_embed(output: Output, passages: int, rounds: int, questions: tuple[Path, ...], quick: bool) -> None:
    """向量化的吞吐量 / Throughput of the default embedder."""
    from app.bench.collection import read_texts
    from app.bench.embedding import measure_embedding
    from app.machine import machine

    texts, asked = read_texts(questions)
    figures = measure_embedding(
        texts[: 16 if quick else passages],
        asked,
        models=output.settings().models_folder,
        rounds=1 if quick else rounds,
        progress=output.note,
    )
    output.note("")
    output.result(
        {"machine": machine(), "embedding": figures},
        "\n".join(f"{name:<40}{value}" for name, value in figures.items()),
    )


@bench.command("all")
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("bench-report"),
    help="写报告与图的文件夹 / folder for the report and its plots",
)
@_QUESTIONS
@_QUICK
@output_options
def bench_all(output: Output, report: Path, questions: tuple[Path, ...], quick: bool) -> None:
    """全部测量，并写出报告 / Everything, also the whole pipeline, starts and chats; writes a report."""
    from app.bench.everything import QUICK, Extent, measure_all, write_report

    figures = {}
    for name, measured in measure_all(
        _source(output, questions),
        questions,
        models=output.settings().models_folder.absolute(),
        extent=QUICK if quick else Extent(),
        progress=output.note,
    ):
        figures[name] = measured
        text = write_report(figures, report)  # what was measured is kept, whatever becomes of the rest
    output.note("")
    output.result(figures, text)


def _measure_sizes(
    output: Output,
    measure: Callable[..., dict[str, Any]],
    *,
    drawn: Plot,
    sizes: str | None,
    quick: bool,
    rivals_up_to: int,
    questions: tuple[Path, ...],
    plot: Path | None,
) -> None:
    from app.bench import rivals
    from app.bench.tables import exponents, markdown, misses
    from app.machine import machine

    wanted = _sizes(sizes) if sizes else (QUICK_SIZES if quick else SIZES)
    source = _source(output, questions)
    rows = []
    try:
        for size in wanted:
            row = measure(size, source, rivals_up_to=rivals_up_to, progress=output.note)
            rows.append(row)
    except KeyboardInterrupt:  # what was measured stays worth telling
        if not rows:
            raise
    output.note("")
    growth, missed = exponents(rows), misses(rows)
    if plot is not None:
        from app.bench.plot import draw

        plot.write_text(draw(drawn, rows), encoding="utf-8")
    text = [markdown(rows), "", *(f"{name} ~ n^{power}" for name, power in growth.items()), *missed]
    if rivals.missing():
        text.append(f"not installed: {', '.join(rivals.missing())}; pip install 'zhiwen[dev]'")
    output.result(
        {
            "machine": machine(),
            "sizes": rows,
            "exponents": growth,
            "missed": missed,
            "rivals_not_installed": rivals.missing(),
        },
        "\n".join(text),
    )


def _source(output: Output, questions: tuple[Path, ...]) -> Source:
    from app.bench.collection import read_source
    from models.registry import load_embedder

    settings = output.settings()
    embedder = load_embedder(
        settings.embedder.name,
        cache_dir=settings.models_folder,
        device=settings.embedder.device,
        threads=settings.embedder.threads,
    )
    return read_source(embedder, questions, cache=_cache(output), progress=output.note)


def _cache(output: Output) -> Path:
    return output.settings().data_dir / "cache" / "bench"


def _sizes(text: str) -> list[int]:
    try:
        sizes = sorted({int(part.replace("_", "")) for part in text.split(",")})
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: numbers with commas between", param_hint="--sizes") from error
    if sizes[0] < 100:
        raise click.BadParameter("at least 100", param_hint="--sizes")
    return sizes
