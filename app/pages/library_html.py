"""A knowledge base as HTML: what it is, where files are dropped, and the list of its documents."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote as url_quote

from app.failures import Failure
from app.messages import Language
from app.pages.amounts import size_text
from app.pages.jobs_html import problems_html, state_text
from app.pages.markup import button
from app.pages.reader import document_address
from app.pages.texts import text
from knowledge_base.types import DocumentInfo, KnowledgeBaseInfo

ROWS = 100
"""Documents listed at a time."""


def notice_html(notice: str | Exception, language: Language) -> str:
    """One line on what was done, or on what went wrong and what to do."""
    if isinstance(notice, Exception):
        return failed_html(Failure.of(notice, language).message)
    return f'<p class="zw-notice" role="status">{escape(notice)}</p>'


def failed_html(message: str) -> str:
    """One line on what went wrong."""
    return f'<p class="zw-notice failed" role="alert">{escape(message)}</p>'


def header_html(info: KnowledgeBaseInfo | None, language: Language) -> str:
    """A knowledge base's name, description, size, and what can be done with all of it."""
    if info is None:
        return f'<p class="zw-empty">{escape(text("library_none", language))}</p>'
    counts = text("library_counts", language, documents=info.documents, chunks=info.chunks)
    question = text("library_delete_confirm", language, name=info.name, documents=info.documents)
    rebuild = button(
        text("library_rebuild", language), "rebuild", confirm=text("library_rebuild_confirm", language)
    )
    address = escape(f"api/knowledge-bases/{url_quote(info.name, safe='')}/export")
    export = (
        f'<button type="button" class="zw-button" data-export="{address}"'
        f' data-name="{escape(info.name)}.zhiwen" data-working="{escape(text("exporting", language))}"'
        f' data-lost="{escape(text("send_lost", language))}">'
        f"{escape(text('library_export', language))}</button>"
    )
    delete = button(text("library_delete", language), "delete", confirm=question, kind="danger")
    description = f"<p>{escape(info.description)}</p>" if info.description else ""
    return (
        f'<div class="zw-library"><div><h2><bdi>{escape(info.name)}</bdi></h2>{description}'
        f'<p class="zw-faint">{escape(counts)}</p></div>'
        f'<div class="zw-tools">{export}{rebuild if info.documents else ""}{delete}</div></div>'
    )


def drop_html(knowledge_base: str, language: Language, *, files: int, size: int) -> str:
    """Where files and folders are dropped or chosen; sent at most `files`, of `size` bytes, at a time."""
    address = f"api/knowledge-bases/{url_quote(knowledge_base, safe='')}/documents"
    return (
        f'<section class="zw-drop" data-send="{escape(address)}" data-files="{files}" data-bytes="{size}"'
        f' data-knowledge-base="{escape(knowledge_base)}"'
        f' data-sending="{escape(sending_text(language))}"'
        f' data-checking="{escape(text("checking", language, total="{total}"))}"'
        f' data-lost="{escape(text("send_lost", language))}"'
        f' data-unreadable="{escape(text("file_unreadable", language))}"'
        f' aria-label="{escape(text("upload", language))}">'
        f"<p><b>{escape(text('drop_here', language))}</b></p>"
        f'<div class="zw-tools"><button type="button" class="zw-button primary" data-choose="files">'
        f"{escape(text('choose_files', language))}</button>"
        f'<button type="button" class="zw-button" data-choose="folder">'
        f"{escape(text('choose_folder', language))}</button></div>"
        f'<p class="zw-faint">{escape(text("upload_hint", language))}</p>'
        '<input type="file" multiple hidden><input type="file" webkitdirectory hidden>'
        f'<div class="zw-sending" hidden><span role="status"></span><progress></progress>'
        f'<button type="button" class="zw-button" data-choose="stop">{escape(text("job_cancel", language))}'
        "</button></div></section>"
    )


def sending_text(language: Language) -> str:
    """What the page's script fills with how far it has come."""
    return text("sending", language, done="{done}", total="{total}", share="{share}")


def import_html(language: Language) -> str:
    """Taking in an exported knowledge base."""
    label = escape(text("import_name", language))
    return (
        f'<section class="zw-import" data-working="{escape(text("importing", language))}"'
        f' data-lost="{escape(text("send_lost", language))}">'
        f'<p class="zw-faint">{escape(text("import_hint", language))}</p>'
        f'<label>{label}<input type="text" class="zw-input" maxlength="200" id="zw-import-name"></label>'
        f'<button type="button" class="zw-button" data-import="api/knowledge-bases/import">'
        f"{escape(text('import_choose', language))}</button>"
        '<p role="status" class="zw-faint"></p></section>'
    )


def documents_html(
    shown: Sequence[DocumentInfo], language: Language, *, total: int, first: int = 0, query: str = ""
) -> str:
    """Some documents, from index `first` of the `total` on in whose name `query` stands.

    Each with what can be done with it.
    """
    title = f"<h3>{escape(text('documents', language))}</h3>"
    if not shown:
        none = text("documents_none_found" if query.strip() else "documents_none", language)
        return f'{title}<p class="zw-empty">{escape(none)}</p>'
    columns = ("column_name", "column_state", "column_pages", "column_chunks", "column_size")
    head = "".join(f'<th scope="col">{escape(text(column, language))}</th>' for column in columns)
    head += f'<th scope="col"><span class="zw-hidden">{escape(text("column_actions", language))}</span></th>'
    rows = "".join(_row(info, language) for info in shown)
    table = f'<table class="zw-documents"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return title + table + _turning(first, len(shown), total, language)


def _turning(first: int, shown: int, total: int, language: Language) -> str:
    if shown == total:
        return ""
    turns = ""
    if first > 0:
        turns += button(text("previous", language), "list", first=str(max(0, first - ROWS)))
    if first + shown < total:
        turns += button(text("next", language), "list", first=str(first + shown))
    span = text("documents_range", language, first=first + 1, last=first + shown, total=total)
    return f'<div class="zw-tools"><span class="zw-faint">{escape(span)}</span>{turns}</div>'


def _row(info: DocumentInfo, language: Language) -> str:
    remove = button(
        text("delete", language),
        "remove",
        id=info.id,
        confirm=text("document_delete_confirm", language, name=info.name),
        kind="quiet danger",
    )
    state = f'<span class="zw-state {info.state}">{escape(state_text(info.state, language))}</span>'
    if info.conflicts:
        conflicts = text("conflicts", language, count=info.conflicts)
        state += f' <span class="zw-problem">{escape(conflicts)}</span>'
    cells = (
        ("column_state", state),
        ("column_pages", str(info.pages)),
        ("column_chunks", str(info.chunks)),
        ("column_size", size_text(info.size)),
        ("column_actions", remove),
    )
    rest = "".join(f'<td data-label="{escape(text(key, language))}">{cell}</td>' for key, cell in cells)
    problems = problems_html(info.problems, info.name, language)
    others = ""
    if info.other_names:
        names = text("other_names", language, names=text("list_comma", language).join(info.other_names))
        others = f'<p class="zw-faint">{escape(names)}</p>'
    return (
        '<tr><th scope="row"><button type="button" class="zw-link" data-action="open"'
        f' data-id="{escape(info.id)}">'
        f"<bdi>{escape(info.name)}</bdi></button>{others}{problems}</th>{rest}</tr>"
    )


def download_html(knowledge_base: str, document_id: str, language: Language) -> str:
    """The link that gives the file back as it was."""
    content = escape(f"{document_address(knowledge_base, document_id)}/content")
    return f'<a class="zw-button" href="{content}" download>{escape(text("download", language))}</a>'
