"""The system as HTML: jobs, disk, versions, problems, keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from app.messages import Language
from app.operations import DiskUse
from app.pages.amounts import moment_html, size_text
from app.pages.jobs_html import job_html
from app.pages.markup import button
from app.pages.models_html import facts_html
from app.pages.texts import page_texts, text
from knowledge_base.api_keys import ApiKey
from knowledge_base.types import JobInfo

JOBS = 30
"""Jobs listed."""


def jobs_html(jobs: Sequence[JobInfo], language: Language) -> str:
    """The newest jobs first."""
    if not jobs:
        return f'<p class="zw-empty">{escape(text("jobs_none", language))}</p>'
    return "".join(
        f'<div class="zw-job">{moment_html(job.created_at)}'
        f"{job_html(job, language, title=job.knowledge_base)}</div>"
        for job in jobs[:JOBS]
    )


def disk_html(disk: DiskUse, memory: int, language: Language) -> str:
    """What the data folder holds."""
    facts = [(_part(name, language), size_text(size)) for name, size in disk.parts.items() if size]
    free = text("disk_free", language, free=size_text(disk.free), total=size_text(disk.total))
    facts += [(text("disk", language), free), (text("memory", language), size_text(memory))]
    return facts_html(text("disk_title", language), facts)


def _part(name: str, language: Language) -> str:
    key = f"disk_part_{name.removesuffix('.db')}"
    return f"{text(key, language)} ({name})" if key in page_texts(language) else name


def versions_html(versions: Mapping[str, str], language: Language) -> str:
    """What the program is made of."""
    return facts_html(text("versions", language), list(versions.items()))


def problems_html(lines: Sequence[str], language: Language) -> str:
    """The log's warnings and errors."""
    title = escape(text("log", language))
    if not lines:
        body = f'<p class="zw-empty">{escape(text("log_none", language))}</p>'
    else:
        said = escape("\n".join(lines))
        body = f'<pre class="zw-log-lines" tabindex="0" aria-label="{title}">{said}</pre>'
    return f'<section class="zw-panel"><h3>{title}</h3>{body}</section>'


def keys_html(
    keys: Sequence[tuple[ApiKey, Sequence[str] | None]], language: Language, *, own: str | None
) -> str:
    """The keys, each with the names of the knowledge bases that it opens (None: all).

    `own` is the id of the one that this browser has logged in with.
    """
    if not keys:
        return f'<p class="zw-empty" data-no-keys>{escape(text("keys_none", language))}</p>'
    columns = ("column_key", "column_role", "column_opens", "column_made")
    head = "".join(f'<th scope="col">{escape(text(column, language))}</th>' for column in columns)
    head += f'<th scope="col"><span class="zw-hidden">{escape(text("column_actions", language))}</span></th>'
    rows = "".join(_key(key, names, language, own=key.id == own) for key, names in keys)
    table = f'<table class="zw-documents"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return table + logout_html(language)


def logout_html(language: Language) -> str:
    """The way out for a browser that has logged in."""
    return (
        '<div class="zw-tools"><form method="post" action="logout">'
        f'<button class="zw-button">{escape(text("logout", language))}</button></form></div>'
    )


def _key(key: ApiKey, names: Sequence[str] | None, language: Language, *, own: bool) -> str:
    revoke = button(
        text("key_revoke", language),
        "revoke",
        id=key.id,
        confirm=(text("key_own", language) + " " if own else "")
        + text("key_revoke_confirm", language, name=key.name),
        kind="quiet danger",
    )
    last = revoke if key.revoked_at is None else escape(text("key_revoked", language))
    opens = text("key_all", language) if names is None else text("list_comma", language).join(names)
    cells = (
        ("column_role", escape(text(f"role_{key.role}", language))),
        ("column_opens", escape(opens)),
        ("column_made", moment_html(key.created_at)),
        ("column_actions", last),
    )
    rest = "".join(f'<td data-label="{escape(text(name, language))}">{cell}</td>' for name, cell in cells)
    mark = f' <span class="zw-badge">{escape(text("key_in_use", language))}</span>' if own else ""
    return (
        f'<tr><th scope="row"><bdi>{escape(key.name)}</bdi> <span class="zw-faint">{key.id}</span>{mark}</th>'
        f"{rest}</tr>"
    )


def secret_html(secret: str, language: Language, *, first: bool) -> str:
    """A new key, shown this once."""
    said = [text("key_made", language)]
    if first:
        said.append(text("key_first_made", language))
    lines = "".join(f"<p>{escape(line)}</p>" for line in said)
    copied = escape(text("copied", language))
    return (
        f'<div class="zw-notice" role="status">{lines}<p><code class="zw-secret">{escape(secret)}</code>'
        f' <button type="button" class="zw-button" data-copy data-copied="{copied}">'
        f"{escape(text('copy', language))}</button></p></div>"
    )


def findings_html(findings: Sequence[str], language: Language) -> str:
    """What a check of the data has found."""
    if not findings:
        return f'<p class="zw-notice" role="status">{escape(text("check_sound", language))}</p>'
    lines = "".join(f"<p>{escape(line)}</p>" for line in findings)
    return f'<div class="zw-notice failed" role="alert">{lines}</div>'
