"""One document as HTML: what it is, what can be done with it, and its chunks, to be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from app.messages import Language
from app.pages.amounts import moment_html, size_text
from app.pages.jobs_html import problems_html, state_text
from app.pages.library_html import download_html, sending_text
from app.pages.markup import button
from app.pages.reader import document_address
from app.pages.texts import text
from knowledge_base.chunk_editing import CHUNK_CHARACTERS, StoredChunk
from knowledge_base.chunk_edits import ChunkEdit
from knowledge_base.types import DocumentInfo, DocumentVersion

CHUNKS_PER_PAGE = 20


def opened_html(
    knowledge_base: str,
    info: DocumentInfo,
    versions: Sequence[DocumentVersion],
    targets: Sequence[str],
    language: Language,
) -> str:
    """The head of an opened document; `targets` are the knowledge bases that it can be moved to."""
    back = button(text("document_back", language), "back", kind="quiet")
    facts = [
        info.format.upper(),
        text("document_pages", language, count=info.pages),
        text("document_chunks", language, count=info.chunks),
        size_text(info.size),
        state_text(info.state, language),
    ]
    rename = button(
        text("rename", language), "rename", prompt=text("document_rename", language), value=info.name
    )
    address = escape(document_address(knowledge_base, info.id))
    replace = (
        f'<button type="button" class="zw-button" data-replace="{address}"'
        f' data-sending="{escape(sending_text(language))}"'
        f' data-lost="{escape(text("send_lost", language))}">'
        f"{escape(text('document_replace', language))}</button>"
    )
    delete = button(
        text("delete", language),
        "remove",
        confirm=text("document_delete_confirm", language, name=info.name),
        kind="danger",
    )
    tools = rename + replace + download_html(knowledge_base, info.id, language) + delete
    return (
        f'<section class="zw-opened">{back}<h2 tabindex="-1"><bdi>{escape(info.name)}</bdi></h2>'
        f'<p class="zw-faint">{escape(" · ".join(facts))}</p>'
        f"{problems_html(info.problems, info.name, language)}"
        f'<div class="zw-tools">{tools}{_moving(targets, language)}</div>'
        f"{_versions(versions, language)}</section>"
    )


def _moving(targets: Sequence[str], language: Language) -> str:
    if not targets:
        return ""
    options = "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in targets)
    label = escape(text("document_move_to", language))
    move = button(text("document_move", language), "move", field="zw-move-target")
    return (
        f'<span class="zw-moving"><label for="zw-move-target">{label}</label>'
        '<select id="zw-move-target" class="zw-input">'
        f"{options}</select>{move}</span>"
    )


def _versions(versions: Sequence[DocumentVersion], language: Language) -> str:
    if len(versions) < 2:
        return ""
    items = "".join(
        f"<li>{version.number} · {moment_html(version.created_at)} · <bdi>{escape(version.name)}</bdi> · "
        f"{size_text(version.size)}</li>"
        for version in versions
    )
    label = escape(text("document_versions", language, count=len(versions)))
    return f'<details class="zw-versions"><summary>{label}</summary><ul>{items}</ul></details>'


def chunks_html(
    chunks: Sequence[StoredChunk], language: Language, *, first: int = 0, editing: int | None = None
) -> str:
    """`CHUNKS_PER_PAGE` of a document's chunks, from index `first` on; `editing` is open for a new text."""
    first = max(0, min(first, len(chunks) - 1))
    shown = chunks[first : first + CHUNKS_PER_PAGE]
    turns = ""
    if first > 0:
        turns += button(text("previous", language), "list", first=str(max(0, first - CHUNKS_PER_PAGE)))
    if first + len(shown) < len(chunks):
        turns += button(text("next", language), "list", first=str(first + len(shown)))
    span = text("chunks_range", language, first=first + 1, last=first + len(shown), total=len(chunks))
    items = "".join(
        _chunk(chunk, number, language, editing=chunk.id == editing)
        for number, chunk in enumerate(shown, start=first + 1)
    )
    head = f"<h3>{escape(text('chunks', language))}</h3>"
    head += f'<span class="zw-faint">{escape(span if shown else "")}</span>'
    return (
        f'<section class="zw-panel zw-chunks"><div class="zw-panel-head">{head}</div>{items}'
        f'<div class="zw-tools">{turns}</div>{_adding(language)}</section>'
    )


def _chunk(stored: StoredChunk, number: int, language: Language, *, editing: bool) -> str:
    chunk = stored.chunk
    place = [text("chunk_number", language, number=number)]
    if chunk.page is not None:
        place.append(text("page", language, page=chunk.page))
    if chunk.heading_path:
        place.append(" › ".join(chunk.heading_path))
    if stored.edited:
        place.append(text("chunk_edited", language))
    if not stored.enabled:
        place.append(text("chunk_disabled", language))
    before = "\n".join(part for part in (chunk.question, chunk.header) if part)
    lead = f'<p class="zw-lead">{escape(before)}</p>' if before else ""
    key = str(stored.id)
    if editing:
        body = _field("zw-chunk-text", chunk.text, text("chunk_text", language))
        tools = button(text("library_save", language), "save", id=key, field="zw-chunk-text", kind="primary")
        tools += button(text("cancel", language), "list", kind="quiet")
    else:
        body = f"<p>{escape(chunk.text)}</p>"
        tools = _chunk_tools(stored, key, language)
    kind = "zw-chunk" if stored.enabled else "zw-chunk disabled"
    return (
        f'<div class="{kind}" data-chunk="{key}"><p class="zw-faint">{escape(" · ".join(place))}</p>'
        f'{lead}{body}<div class="zw-tools">{tools}</div></div>'
    )


def _chunk_tools(stored: StoredChunk, key: str, language: Language) -> str:
    switch = "chunk_disable" if stored.enabled else "chunk_enable"
    tools = button(text("chunk_show", language), "read", event="read", chunk=key, kind="quiet")
    tools += button(text("edit_question", language), "edit", id=key, kind="quiet")
    tools += button(
        text(switch, language), "switch", id=key, on=str(not stored.enabled).lower(), kind="quiet"
    )
    if stored.edit is not None and stored.edit.kind == "changed" and stored.edited:
        tools += button(text("chunk_undo", language), "discard", edit=str(stored.edit.id), kind="quiet")
    return tools + button(
        text("delete", language),
        "remove_chunk",
        id=key,
        confirm=text("chunk_delete_confirm", language),
        kind="quiet danger",
    )


def _adding(language: Language) -> str:
    add = button(text("chunk_add", language), "add", field="zw-chunk-new", kind="primary")
    return (
        f'<details class="zw-adding"><summary>{escape(text("chunk_add_title", language))}</summary>'
        f"{_field('zw-chunk-new', '', text('chunk_text', language))}{add}</details>"
    )


def _field(field_id: str, value: str, label: str) -> str:
    # A line feed right after the tag is not part of the text.
    return (
        f'<textarea id="{field_id}" class="zw-input" rows="6" maxlength="{CHUNK_CHARACTERS}"'
        f' aria-label="{escape(label)}">\n{escape(value)}</textarea>'
    )


def conflicts_html(
    edits: Sequence[ChunkEdit], suggestions: Mapping[int, tuple[int, float]], language: Language
) -> str:
    """Edits whose chunk is gone since the file was read anew: somebody has to decide about each."""
    conflicts = [edit for edit in edits if edit.conflict]
    if not conflicts:
        return ""
    items = "".join(_conflict(edit, suggestions.get(edit.id), language) for edit in conflicts)
    title = escape(text("conflicts", language, count=len(conflicts)))
    hint = escape(text("conflicts_hint", language))
    head = f'<h3>{title}</h3><p class="zw-faint">{hint}</p>'
    return f'<section class="zw-panel zw-conflicts">{head}{items}</section>'


def _conflict(edit: ChunkEdit, suggested: tuple[int, float] | None, language: Language) -> str:
    if edit.text is not None:
        said = text("conflict_text", language)
    elif edit.kind == "deleted":
        said = text("conflict_deleted", language)
    else:
        said = text("chunk_disabled", language)
    key = str(edit.id)
    tools = ""
    if suggested is not None:
        label = text("conflict_apply", language, share=f"{100 * suggested[1]:.0f}")
        tools += button(
            text("chunk_show", language), "read", event="read", chunk=str(suggested[0]), kind="quiet"
        )
        tools += button(label, "keep", edit=key, chunk=str(suggested[0]))
    if edit.text is not None:
        tools += button(text("conflict_add", language), "keep", edit=key)
    tools += button(text("conflict_discard", language), "discard", edit=key, kind="danger")
    changed = f"<p>{escape(edit.text)}</p>" if edit.text is not None else ""
    original = escape(text("conflict_original", language))
    return (
        f'<div class="zw-chunk"><p class="zw-lead">{escape(said)}</p>{changed}'
        f'<p class="zw-faint">{original}</p><p class="zw-faint">{escape(edit.original.text)}</p>'
        f'<div class="zw-tools">{tools}</div></div>'
    )
