"""Models as HTML: which there are, how they are doing, what a folder is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from app.answering.answerer import QUOTE_MODEL
from app.chat_models import ModelStatus
from app.messages import Language
from app.model_folders import FolderReport
from app.pages.amounts import size_text
from app.pages.markup import button
from app.pages.texts import text


def models_html(models: Sequence[ModelStatus], memory: int, language: Language) -> str:
    """All chat models with what can be done with each; `memory` is what the whole process holds."""
    columns = ("column_model", "column_state", "column_memory", "column_use")
    head = "".join(f'<th scope="col">{escape(text(column, language))}</th>' for column in columns)
    head += f'<th scope="col"><span class="zw-hidden">{escape(text("column_actions", language))}</span></th>'
    rows = "".join(_row(model, language) for model in models)
    total = escape(text("process_memory", language, size=size_text(memory)))
    hint = ""
    if len(models) < 2:
        hint = f'<p class="zw-notice">{escape(text("models_none", language))}</p>'
    return (
        f"<h3>{escape(text('chat_models', language))}</h3>{hint}"
        f'<table class="zw-documents"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="zw-faint">{total}</p>'
    )


def _row(model: ModelStatus, language: Language) -> str:
    name = text("model_quote", language) if model.name == QUOTE_MODEL else model.name
    details = " · ".join(part for part in (model.kind, model.model) if part and model.name != QUOTE_MODEL)
    sign = f' <span class="zw-badge model">{escape(text("model_default", language))}</span>'
    state = text(f"model_{model.state}", language)
    if model.device:
        state += f" · {model.device}"
    use = text("model_use", language, active=model.active, waiting=model.waiting) if model.active else ""
    tools = ""
    if model.state == "unloaded":
        tools += button(text("model_load", language), "load", id=model.name)
    elif model.state == "loaded":
        tools += button(text("model_unload", language), "unload", id=model.name)
    tools += button(text("model_choose", language), "choose", id=model.name, kind="quiet")
    kind = {"ready": "ready", "loaded": "ready", "unreachable": "failed"}.get(model.state, "")
    cells = (
        ("column_state", f'<span class="zw-state {kind}">{escape(state)}</span>'),
        ("column_memory", size_text(model.memory_bytes) if model.memory_bytes else "–"),
        ("column_use", escape(use) or "–"),
        ("column_actions", tools),
    )
    rest = "".join(f'<td data-label="{escape(text(key, language))}">{cell}</td>' for key, cell in cells)
    return (
        f'<tr data-model="{escape(model.name)}"><th scope="row"><bdi>{escape(name)}</bdi>'
        f"{sign if model.default else ''}"
        f'<p class="zw-faint">{escape(details)}</p></th>{rest}</tr>'
    )


def facts_html(title: str, facts: Sequence[tuple[str, str]]) -> str:
    """A list of names and values, all of them plain text."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<section class="zw-panel"><h3>{escape(title)}</h3><dl class="zw-list">{items}</dl></section>'


def folder_html(report: FolderReport) -> str:
    """What a folder is, what is wrong with it, and what to do."""
    kind = "" if report.sound else " failed"
    lines = "".join(f"<p>{escape(line)}</p>" for line in report.lines)
    return f'<div class="zw-notice{kind}" role="status">{lines}</div>'


def reply_html(said: str, seconds: float, language: Language, *, running: bool) -> str:
    """What a model has answered to a trial so far."""
    state = ' aria-busy="true"' if running else ""
    time = "" if running else text("took", language, time=f"{seconds:.1f}")
    return (
        f'<div class="zw-panel zw-reply"{state}><div class="zw-answer"><p>{escape(said)}</p></div>'
        f'<p class="zw-faint">{escape(time)}</p></div>'
    )
