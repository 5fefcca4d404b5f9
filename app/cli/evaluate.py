"""`zhiwen evaluate`: how well it finds, refuses and quotes, and whether it got worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.output import Output, Share, output_options

if TYPE_CHECKING:
    from app.evaluation.runs import Run, RunStore

WORSE = 3
"""Exit status when a metric fell."""


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--hold-out",
    type=Share(0.95),
    default=0.0,
    help="不入库的段落比例 / share of passages left out",
)
@click.option("--limit", type=click.IntRange(1), help="只用前 N 个段落（或问题） / only the first N")
@click.option(
    "--kb",
    "knowledge_bases",
    multiple=True,
    metavar="KB",
    help="CSV、JSONL 所问的知识库 / knowledge base that a CSV or JSONL is about",
)
@click.option("--splitter", "splitters", multiple=True, help="如 / such as chinese:480:80，可多次")
@click.option("--weights", multiple=True, metavar="D:K", help="向量与关键词的权重，可多次 / dense:keyword")
@click.option("--threshold", "thresholds", multiple=True, type=Share(1), help="相关度下限，可多次")
@click.option("--top-k", "top_ks", multiple=True, type=click.IntRange(1, 100), help="片段数，可多次")
@click.option("--matrix", type=click.Path(path_type=Path), help="TOML 文件，列出各项取值 / what to vary")
@click.option("--compare", metavar="RUN|last", help="与以前的评测比较 / compare with an earlier run")
@click.option(
    "--tolerance",
    type=Share(1),
    default=0.01,
    show_default=True,
    help="指标下降多少以内不算退步 / fall that counts as none",
)
@click.option("--report", type=click.Path(path_type=Path), help="写出 HTML 报告 / write a report as HTML")
@click.option("--list", "listed", is_flag=True, help="列出保存的评测 / list the runs kept")
@click.option("--show", metavar="RUN|last", help="再次显示保存的评测 / show a run kept")
@output_options
def evaluate(output: Output, file: Path | None, **options: Any) -> None:
    """用问题集评测：SQuAD 文件，或关于知识库的 CSV、JSONL / Evaluate on a question set."""
    from app.evaluation.runs import FOLDER, LAST, RunStore

    if (file is not None) + options["listed"] + (options["show"] is not None) != 1:
        raise click.UsageError("give a FILE, or --list, or --show / 请给出 FILE、--list 或 --show 之一")
    store = RunStore(output.settings().data_dir / FOLDER)
    if options["listed"]:
        _list(output, store)
    elif file is None:
        _tell(output, store, store.run(options["show"]), **options)
    else:
        if options["compare"] not in {None, LAST}:
            store.run(options["compare"])  # a wrong one is told before the work, not after
        run = store.save(_run(output, file, **options))
        _tell(output, store, run, **options)
        if run.interrupted:
            raise click.exceptions.Exit(130)


def _run(
    output: Output,
    file: Path,
    *,
    hold_out: float,
    limit: int | None,
    knowledge_bases: tuple[str, ...],
    splitters: tuple[str, ...],
    weights: tuple[str, ...],
    thresholds: tuple[float, ...],
    top_ks: tuple[int, ...],
    matrix: Path | None,
    **_: object,
) -> Run:
    from app.evaluation.configurations import matrix_of
    from app.evaluation.evaluator import Evaluator
    from app.evaluation.question_sets import read_question_set

    settings = output.settings()
    varied = matrix_of(
        settings, file=matrix, splitters=splitters, weights=weights, thresholds=thresholds, top_ks=top_ks
    )
    run = Evaluator(settings).run(
        read_question_set(file, limit=limit),
        matrix=varied,
        knowledge_bases=knowledge_bases,
        hold_out=hold_out,
        limit=limit,
        progress=output.note,
    )
    output.note("")
    return run


def _list(output: Output, store: RunStore) -> None:
    from app.cli.reports import runs_table

    runs = store.runs()
    listed = [
        {
            "run": run.id,
            "date": run.date,
            "question_set": run.question_set,
            "digest": run.digest,
            "knowledge_bases": list(run.knowledge_bases),
            "hold_out": run.hold_out,
            "limit": run.limit,
            "questions": len(run.questions),
            "configurations": [row.configuration.label for row in run.rows],
            "interrupted": run.interrupted,
        }
        for run in runs
    ]
    output.result({"runs": listed}, runs_table(runs))


def _tell(
    output: Output,
    store: RunStore,
    run: Run,
    *,
    compare: str | None,
    tolerance: float,
    report: Path | None,
    **_: object,
) -> None:
    from app.cli.reports import comparison_json, comparison_text, run_json, run_text
    from app.evaluation.comparison import RowComparison, comparable
    from app.evaluation.comparison import compare as compare_runs
    from app.evaluation.runs import LAST

    shown, text = run_json(run), run_text(run)
    before = None
    compared: list[RowComparison] = []
    if compare is not None:
        before = (
            store.last(lambda earlier: comparable(run, earlier)) if compare == LAST else store.run(compare)
        )
        if before is None:
            shown["comparison"] = None
            text += "\n\n以前没有可比较的评测 / no earlier run to compare with"
        else:
            compared = compare_runs(run, before, tolerance=tolerance)
            shown["comparison"] = comparison_json(run, before, compared)
            text += f"\n\n{comparison_text(run, before, compared)}"
    if report is not None:
        from app.evaluation.report import html_report

        page = html_report(run, language=output.language(), before=before, compared=compared)
        report.write_text(page, encoding="utf-8")
    output.result(shown, text)
    if any(row.regressions for row in compared):
        raise click.exceptions.Exit(WORSE)
