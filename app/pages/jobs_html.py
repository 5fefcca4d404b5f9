"""Jobs as HTML: how far each has come, file by file, and why something failed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from app.failures import problem_text
from app.messages import Language, error_text
from app.pages.amounts import duration_text
from app.pages.markup import button
from app.pages.texts import text
from knowledge_base.types import JobFile, JobInfo, JobProgress
from loaders.document import Problem

UNFINISHED = ("queued", "running")
_IMPORTING = ("check", "import")
_STAGES = ("parse", "embed", *_IMPORTING)
_SHOWN_PROBLEMS = 5
_SHOWN_FILES = 100
_UNFOLDED = 5
"""Files of a job that went well shown at once; more are behind a click."""


def job_html(job: JobInfo, language: Language, *, title: str = "") -> str:
    """How far a job has come, file by file; `title` stands before its state."""
    running = job.state in UNFINISHED
    total = len(job.documents)
    said = [title] if title else []
    said.append(text(f"job_state_{job.state}", language))
    if total:
        said.append(text("job_done", language, done=job.done, total=total))
    head = f'<div class="zw-panel-head"><h3>{escape(" · ".join(said))}</h3>'
    if running:
        head += button(text("job_cancel", language), "cancel", id=job.id)
    elif job.state in ("failed", "cancelled") and _left(job):
        head += button(text("job_retry", language), "retry", id=job.id)
    head += "</div>"
    meter = _meter(job, total, language) if running else ""
    reason = error_text(job.error, language, job.error) if job.error else ""
    error = f'<p class="zw-problem">{escape(reason)}</p>' if reason else ""
    files = f"<ul>{_files(job, language)}</ul>"
    if job.state == "done" and total > _UNFOLDED and not any(file.problems for file in job.documents):
        files = f"<details><summary>{escape(text('job_files', language))}</summary>{files}</details>"
    return f'<section class="zw-panel" data-job="{job.state}">{head}{meter}{error}{files}</section>'


def rejected_html(rejected: Sequence[tuple[str, str]], language: Language) -> str:
    """Files that were not taken in, each with the reason."""
    if not rejected:
        return ""
    state = escape(text("file_rejected", language))
    items = "".join(
        f'<li><bdi>{escape(name)}</bdi><span class="zw-state failed">{state}</span>'
        f'<p class="zw-problem">{escape(reason)}</p></li>'
        for name, reason in rejected
    )
    return f'<section class="zw-panel" role="alert"><ul>{items}</ul></section>'


def state_text(state: str, language: Language) -> str:
    """What has become of a file, in words."""
    return text(f"file_{state}", language)


def problems_html(problems: Sequence[Problem], name: str, language: Language) -> str:
    """What of a file could not be read, page by page; many are cut short."""
    lines = []
    for problem in problems[:_SHOWN_PROBLEMS]:
        page = text("problem_page", language, page=problem.page) if problem.page is not None else ""
        lines.append(f'<p class="zw-problem">{escape(page + problem_text(problem, language, name=name))}</p>')
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f'<p class="zw-problem">… +{len(problems) - _SHOWN_PROBLEMS}</p>')
    return "".join(lines)


def _left(job: JobInfo) -> bool:
    """Whether something of an ended job may yet be done."""
    return bool(job.error) or not job.documents or any(file.state == "queued" for file in job.documents)


def _meter(job: JobInfo, total: int, language: Language) -> str:
    progress = job.progress
    label = escape(text(f"job_state_{job.state}", language))
    # Pages tell more than files, but how many there are is known only once a file is open.
    done, most = (progress.pages_done, progress.pages_total) if total <= 1 else (job.done, total)
    stage, _, rest = job.stage.partition(" ")
    pages = stage not in _IMPORTING  # which go through pieces of a package
    if not pages:
        done, most = (int(number) for number in rest.partition(" ")[0].split("/"))
    value = f'value="{done}" max="{most}"' if most else ""
    meter = f'<progress {value} aria-label="{label}"></progress>'
    facts = _facts(progress, language, pages=pages)
    return meter + (f'<p class="zw-faint">{escape(" · ".join(facts))}</p>' if facts else "")


def _facts(progress: JobProgress, language: Language, *, pages: bool) -> list[str]:
    facts = []
    if pages and progress.pages_total:
        facts.append(text("job_pages", language, done=progress.pages_done, total=progress.pages_total))
    if pages and progress.pages_per_second > 0:
        facts.append(text("job_rate", language, rate=f"{progress.pages_per_second:.1f}"))
    if progress.seconds_left is not None:
        facts.append(text("job_left", language, time=duration_text(progress.seconds_left, language)))
    return facts


def _files(job: JobInfo, language: Language) -> str:
    working = next((n for n, file in enumerate(job.documents) if file.state == "queued"), None)
    shown = list(enumerate(job.documents))
    if len(shown) > _SHOWN_FILES:  # what somebody has to see: the one at work, and what went wrong
        shown = [
            (n, file)
            for n, file in shown
            if n == working or file.state in ("failed", "ready_with_problems") or n < _SHOWN_FILES // 2
        ][:_SHOWN_FILES]
    items = "".join(
        _file(file, language, job=job, working=n == working and job.state == "running") for n, file in shown
    )
    left = len(job.documents) - len(shown)
    return items + (f'<li class="zw-faint">… +{left}</li>' if left else "")


def _file(file: JobFile, language: Language, *, job: JobInfo, working: bool) -> str:
    if working:
        state, label = "working", _stage(job.stage, language)
    elif file.state == "queued" and job.state in ("cancelled", "failed"):
        state, label = "cancelled", text("file_cancelled", language)
    else:
        state, label = file.state, state_text(file.state, language)
    problems = problems_html(file.problems, file.name, language)
    return (
        f'<li><bdi>{escape(file.name)}</bdi><span class="zw-state {state}">{escape(label)}</span>'
        f"{problems}</li>"
    )


def _stage(stage: str, language: Language) -> str:
    name, _, rest = stage.partition(" ")
    if name not in _STAGES:
        return text("file_working", language)
    return f"{text(f'stage_{name}', language)} {rest.partition(' ')[0]}"
