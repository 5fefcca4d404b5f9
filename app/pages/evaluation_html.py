"""Evaluations as HTML: how far one has come, its figures row by row, and the whole report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from app.evaluation.background import Status
from app.evaluation.comparison import metric_of
from app.evaluation.configurations import AS_IT_IS, Configuration
from app.evaluation.question_sets import QuestionSet
from app.evaluation.report import html_report
from app.evaluation.runs import Row, Run
from app.failures import Failure
from app.messages import Language
from app.pages.library_html import failed_html
from app.pages.markup import button
from app.pages.texts import text
from vectorstore.base import AS_CALIBRATED

_COLUMNS = ("recall@1", "recall@5", "mrr@10", "quote_contains", "refusal.auc")
_STEPS = ("parse", "embed", "index", "ask")


def question_set_html(questions: QuestionSet | None, language: Language) -> str:
    """What will be asked."""
    if questions is None:
        return f'<p class="zw-faint">{escape(text("set_hint", language))}</p>'
    brings = "set_own" if questions.documents is not None else "set_about"
    said = text(brings, language, name=questions.name, count=len(questions.questions))
    return f'<p class="zw-notice">{escape(said)}</p>'


def status_html(status: Status, language: Language) -> str:
    """How far an evaluation has come, or why it ended."""
    if status.error is not None:
        return failed_html(Failure.of(status.error, language).message)
    if not status.running:
        return ""
    name, _, share = status.step.partition(" ")
    step = text(f"step_{name}", language) if name in _STEPS else text("job_state_running", language)
    said = f"{step} {share}".strip()
    rows = text("evaluation_rows", language, done=status.rows, total=status.of)
    done, _, most = share.partition("/")
    value = f'value="{done}" max="{most}"' if done.isdecimal() and most.isdecimal() else ""
    cancel = button(text("job_cancel", language), "cancel")
    return (
        f'<section class="zw-panel" data-evaluation="running"><div class="zw-panel-head">'
        f"<h3>{escape(said)} · {escape(rows)}</h3>{cancel}</div>"
        f'<progress {value} aria-label="{escape(step)}"></progress></section>'
    )


def best_row(rows: Sequence[Row]) -> int:
    """Index of the row with the most questions that came out right; the first of equals."""
    return max(range(len(rows)), key=lambda n: (rows[n].right, metric_of(rows[n].figures, "mrr@10") or 0, -n))


def run_html(run: Run, language: Language) -> str:
    """The rows of a run, the best one marked, with what applies each to the chat."""
    if not run.rows:
        return ""
    best = best_row(run.rows)
    labels = [text("column_right", language), *(text(f"metric_{name}", language) for name in _COLUMNS)]
    head = f'<th scope="col">{escape(text("column_configuration", language))}</th>'
    head += "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    head += f'<th scope="col"><span class="zw-hidden">{escape(text("column_actions", language))}</span></th>'
    rows = "".join(
        _row(row, number, labels, language, best=number == best) for number, row in enumerate(run.rows)
    )
    said = text(
        "evaluation_of",
        language,
        name=run.question_set,
        count=len(run.questions),
        knowledge_bases=text("list_comma", language).join(run.knowledge_bases)
        or text("evaluation_own", language),
    )
    stopped = text("evaluation_interrupted", language) if run.interrupted else ""
    note = f'<p class="zw-note">{escape(stopped)}</p>' if stopped else ""
    return (
        f'<p class="zw-faint" role="status">{escape(said)}</p>{note}'
        f'<div class="zw-scroll" tabindex="0" role="region" aria-label="{escape(said)}">'
        f'<table class="zw-documents zw-figures"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>"
    )


def _row(row: Row, number: int, labels: Sequence[str], language: Language, *, best: bool) -> str:
    values = [row.right, *(metric_of(row.figures, metric) for metric in _COLUMNS)]
    cells = "".join(
        f'<td data-label="{escape(label)}">{"–" if value is None else f"{value:.3f}"}</td>'
        for label, value in zip(labels, values, strict=True)
    )
    sign = (
        f' <span class="zw-badge quoted">{escape(text("evaluation_best", language))}</span>' if best else ""
    )
    kind = "primary" if best else ""
    apply = button(text("search_apply", language), "apply", row=str(number), kind=kind)
    label = escape(_label(row.configuration, language))
    return f'<tr><th scope="row">{label}{sign}</th>{cells}<td>{apply}</td></tr>'


def _label(configuration: Configuration, language: Language) -> str:
    parts = []
    if configuration.splitter != AS_IT_IS:
        parts.append(configuration.splitter)
    parts.append(text("tuning_threshold", language, threshold=f"{configuration.threshold:.2f}"))
    parts.append(text("tuning_top_k", language, count=configuration.top_k))
    if (configuration.dense, configuration.keyword) != AS_CALIBRATED:
        weights = {"dense": f"{configuration.dense:g}", "keyword": f"{configuration.keyword:g}"}
        parts.append(text("tuning_weights", language, **weights))
    return " · ".join(parts)


def report_html(run: Run, language: Language) -> str:
    """The report with its plots, in a frame where nothing can run, and a button that keeps it as a file."""
    report = html_report(run, language=language)
    title = text("report", language)
    save = (
        f'<button type="button" class="zw-button" data-save data-name="{escape(run.id)}.html">'
        f"{escape(text('report_save', language))}</button>"
    )
    return (
        f'<details class="zw-report"><summary>{escape(title)}</summary><div class="zw-tools">{save}</div>'
        f'<iframe sandbox title="{escape(title)}" srcdoc="{escape(report)}"></iframe></details>'
    )
