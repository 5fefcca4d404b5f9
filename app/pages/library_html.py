"""Knowledge bases as HTML: documents, their chunks, the progress of uploads, search hits."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote as url_quote

from app.failures import Failure, problem_text
from app.messages import Language, error_text
from app.pages.markup import button
from app.pages.texts import text
from knowledge_base.types import DocumentInfo, Hit, JobFile, JobInfo, KnowledgeBaseInfo
from loaders.document import Chunk, Problem

CHUNKS_PER_PAGE = 20
_STAGES = ("parse", "embed")
_SHOWN_PROBLEMS = 5


def notice_html(notice: str | Exception, language: Language) -> str:
    """One line on what was done, or on what went wrong and what to do."""
    if isinstance(notice, Exception):
        message = escape(Failure.of(notice, language).message)
        return f'<p class="zw-notice failed" role="alert">{message}</p>'
    return f'<p class="zw-notice" role="status">{escape(notice)}</p>'


def header_html(info: KnowledgeBaseInfo | None, language: Language) -> str:
    """A knowledge base's name, description, size, and the button that deletes it."""
    if info is None:
        return f'<p class="zw-empty">{escape(text("library_none", language))}</p>'
    counts = text("library_counts", language, documents=info.documents, chunks=info.chunks)
    question = text("library_delete_confirm", language, name=info.name, documents=info.documents)
    delete = button(text("library_delete", language), "delete", confirm=question, kind="danger")
    description = f"<p>{escape(info.description)}</p>" if info.description else ""
    return (
        f'<div class="zw-library"><div><h2><bdi>{escape(info.name)}</bdi></h2>{description}'
        f'<p class="zw-faint">{escape(counts)}</p></div>{delete}</div>'
    )


def documents_html(knowledge_base: str, documents: Sequence[DocumentInfo], language: Language) -> str:
    """The list of documents with what can be done with each."""
    title = f"<h3>{escape(text('documents', language))}</h3>"
    if not documents:
        return f'{title}<p class="zw-empty">{escape(text("documents_none", language))}</p>'
    columns = ("column_name", "column_state", "column_pages", "column_chunks", "column_actions")
    head = "".join(f'<th scope="col">{escape(text(column, language))}</th>' for column in columns)
    rows = "".join(_document_row(knowledge_base, info, language) for info in documents)
    return f'{title}<table class="zw-documents"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _document_row(knowledge_base: str, info: DocumentInfo, language: Language) -> str:
    address = (
        f"api/knowledge-bases/{url_quote(knowledge_base, safe='')}/documents/"
        f"{url_quote(info.id, safe='')}/content"
    )
    actions = (
        button(text("show_chunks", language), "chunks", id=info.id, kind="quiet")
        + f'<a class="zw-button quiet" href="{escape(address)}" download>'
        f"{escape(text('download', language))}</a>"
        + button(
            text("delete", language),
            "remove",
            id=info.id,
            confirm=text("document_delete_confirm", language, name=info.name),
            kind="quiet danger",
        )
    )
    cells = (
        ("column_state", f'<span class="zw-state {info.state}">{_state(info.state, language)}</span>'),
        ("column_pages", str(info.pages)),
        ("column_chunks", str(info.chunks)),
        ("column_actions", actions),
    )
    rest = "".join(f'<td data-label="{escape(text(key, language))}">{cell}</td>' for key, cell in cells)
    problems = _problems(info.problems, info.name, language)
    return f'<tr><th scope="row"><bdi>{escape(info.name)}</bdi>{problems}</th>{rest}</tr>'


def chunks_html(
    info: DocumentInfo, chunks: Sequence[tuple[int, Chunk]], first: int, language: Language
) -> str:
    """`CHUNKS_PER_PAGE` of a document's chunks, from index `first` on."""
    first = max(0, min(first, len(chunks) - 1))
    shown = chunks[first : first + CHUNKS_PER_PAGE]
    last = first + len(shown)
    turn = ""
    if first > 0:
        turn += button(
            text("previous", language), "chunks", id=info.id, first=str(max(0, first - CHUNKS_PER_PAGE))
        )
    if last < len(chunks):
        turn += button(text("next", language), "chunks", id=info.id, first=str(last))
    span = text("chunks_range", language, first=first + 1, last=last, total=len(chunks)) if shown else ""
    items = "".join(_chunk(chunk, first + n, language) for n, (_, chunk) in enumerate(shown, start=1))
    close = button(text("close", language), "close", kind="quiet")
    return (
        f'<section class="zw-panel"><div class="zw-panel-head"><h3>'
        f"{escape(text('chunks_of', language, name=info.name))}</h3>{close}</div>"
        f'<p class="zw-faint">{escape(span)}</p>{items}<div class="zw-tools">{turn}</div></section>'
    )


def _chunk(chunk: Chunk, number: int, language: Language) -> str:
    place = [text("chunk_number", language, number=number)]
    if chunk.page is not None:
        place.append(text("page", language, page=chunk.page))
    if chunk.heading_path:
        place.append(" › ".join(chunk.heading_path))
    before = "\n".join(part for part in (chunk.question, chunk.header) if part)
    lead = f'<p class="zw-lead">{escape(before)}</p>' if before else ""
    return (
        f'<div class="zw-chunk"><p class="zw-faint">{escape(" · ".join(place))}</p>{lead}'
        f"<p>{escape(chunk.text)}</p></div>"
    )


def job_html(job: JobInfo, language: Language) -> str:
    """How far a job has come, file by file."""
    running = job.state in ("queued", "running")
    total = len(job.documents)
    head = (
        f'<div class="zw-panel-head"><h3>{escape(text(f"job_state_{job.state}", language))} · '
        f"{escape(text('job_done', language, done=job.done, total=total))}</h3>"
    )
    if running:
        head += button(text("job_cancel", language), "cancel", id=job.id)
    elif job.state == "failed" and job.error:
        head += button(text("job_retry", language), "retry", id=job.id)
    head += "</div>"
    meter = f'<progress value="{job.done}" max="{total}"></progress>' if running else ""
    reason = error_text(job.error, language, job.error) if job.error else ""
    error = f'<p class="zw-problem">{escape(reason)}</p>' if reason else ""
    working = next((n for n, file in enumerate(job.documents) if file.state == "queued"), None)
    files = "".join(
        _job_file(file, language, job=job, working=n == working and job.state == "running")
        for n, file in enumerate(job.documents)
    )
    return f'<section class="zw-panel" data-job="{job.state}">{head}{meter}{error}<ul>{files}</ul></section>'


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


def _job_file(file: JobFile, language: Language, *, job: JobInfo, working: bool) -> str:
    if working:
        state, label = "working", _stage(job.stage, language)
    elif file.state == "queued" and job.state in ("cancelled", "failed"):
        state, label = "cancelled", text("file_cancelled", language)
    else:
        state, label = file.state, _state(file.state, language)
    problems = _problems(file.problems, file.name, language)
    return (
        f'<li><bdi>{escape(file.name)}</bdi><span class="zw-state {state}">{escape(label)}</span>'
        f"{problems}</li>"
    )


def _stage(stage: str, language: Language) -> str:
    name, _, rest = stage.partition(" ")
    if name not in _STAGES:
        return text("file_working", language)
    return f"{text(f'stage_{name}', language)} {rest.partition(' ')[0]}"


def _state(state: str, language: Language) -> str:
    return text(f"file_{state}", language)


def _problems(problems: Sequence[Problem], name: str, language: Language) -> str:
    lines = []
    for problem in problems[:_SHOWN_PROBLEMS]:
        page = text("problem_page", language, page=problem.page) if problem.page is not None else ""
        lines.append(f'<p class="zw-problem">{escape(page + problem_text(problem, language, name=name))}</p>')
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f'<p class="zw-problem">… +{len(problems) - _SHOWN_PROBLEMS}</p>')
    return "".join(lines)


def hits_html(hits: Sequence[Hit], threshold: float, language: Language) -> str:
    """Search hits with what their scores are made of; those below the threshold in grey."""
    if not hits:
        return f'<p class="zw-empty">{escape(text("search_none", language))}</p>'
    note = escape(text("search_threshold", language, threshold=f"{threshold:.2f}"))
    items = "".join(_hit(hit, number, threshold, language) for number, hit in enumerate(hits, start=1))
    return f'<p class="zw-faint">{note}</p><ol class="zw-hits">{items}</ol>'


def _hit(hit: Hit, number: int, threshold: float, language: Language) -> str:
    below = hit.score < threshold
    place = [text("score", language, score=f"{hit.score:.2f}")]
    if below:
        place.append(text("search_below", language))
    parts = {"dense": f"{hit.dense_score:.2f}", "keyword": f"{hit.keyword_score:.2f}"}
    place.append(text("search_parts", language, **parts))
    if hit.page is not None:
        place.append(text("page", language, page=hit.page))
    lead = (
        f'<p class="zw-lead">{escape(hit.question or hit.header)}</p>' if hit.question or hit.header else ""
    )
    title = (
        f"<p><b>{number}.</b> <bdi>{escape(hit.document)}</bdi> "
        f'<span class="zw-faint">{escape(" · ".join(place))}</span></p>'
    )
    kind = "zw-chunk below" if below else "zw-chunk"
    return f'<li class="{kind}">{title}{lead}<p>{escape(hit.text)}</p></li>'
