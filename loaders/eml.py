"""Mail as it is saved: subject, people, date, text, and what is attached."""

from __future__ import annotations

import email
import email.header
import email.policy
import re
from collections.abc import Iterator
from email.message import Message
from io import BytesIO
from pathlib import Path

from loaders.base import LoadOptions
from loaders.cleaning import clean_line
from loaders.document import Block, Page, Problem, plain_details
from loaders.encodings import decode
from loaders.errors import LoaderError
from loaders.html import MIME_START, decode_html, html_page, is_mail, part_bytes
from loaders.members import Budget, ContainerLoader, Member, member_pages
from loaders.package import parser_errors
from loaders.signatures import signature
from loaders.text import text_blocks

_KNOWN = re.compile(rb"^(from|to|subject|date|received|message-id|mime-version|return-path):", re.I | re.M)
_SHOWN = ("From", "To", "Cc", "Date")
_SIGNATURES = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
)
_MOST_PARTS = 10_000


class EmlLoader(ContainerLoader):
    """The mail itself, then its attachments, each under its name."""

    format = "eml"
    suffixes = (".eml",)
    media_type = "message/rfc822"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the content begins with the header of a mail."""
        if signature(head) is not None:
            return False
        found = MIME_START.match(head)
        if found is None:
            return False
        names = {match[1].lower() for match in _KNOWN.finditer(found[0])}
        return len(names) >= 2 and (is_mail(found[0]) or name.lower().endswith(self.suffixes))

    def contents(self, path: Path, options: LoadOptions, budget: Budget) -> Iterator[Page]:
        """Yield the mail's own page, then those of its attachments."""
        options.check_cancelled()
        with parser_errors():
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
            body, attached = _parts(message)
            blocks, problems = _body(message, body, [name for name, _ in attached])
        yield Page(None, blocks, problems)
        total = 1 + len(attached)
        options.page_done(1, total)
        for index, (name, part) in enumerate(attached, 2):
            options.check_cancelled()
            if part.get_content_maintype() == "image" and _is_inline(part) and options.ocr is None:
                continue
            with parser_errors():
                data = _attached_bytes(part)
            yield from member_pages(Member(name, len(data), BytesIO(data)), options, budget)
            options.page_done(index, total)


def _parts(message: Message) -> tuple[list[Message], list[tuple[str, Message]]]:
    """The parts that make the text, and the named attachments."""
    body: list[Message] = []
    attached: list[tuple[str, Message]] = []
    waiting = [message]
    for _ in range(_MOST_PARTS):
        if not waiting:
            break
        part = waiting.pop(0)
        kind = part.get_content_type()
        name = _decoded(part.get_filename() or "")
        if kind == "message/rfc822":
            attached.append((name or "message.eml", part))
        elif part.is_multipart():
            inner = [item for item in part.get_payload() if isinstance(item, Message)]
            waiting[:0] = _preferred(inner) if kind == "multipart/alternative" else inner
        elif kind in ("text/plain", "text/html") and not name and not _is_attachment(part):
            body.append(part)
        elif kind not in _SIGNATURES:
            attached.append((name or f"attachment.{part.get_content_subtype()}", part))
    return body, attached


def _preferred(parts: list[Message]) -> list[Message]:
    """Of the forms of one text, the one that keeps headings and tables; an invitation is none of them."""
    rich = [part for part in parts if part.get_content_type() == "text/html" or part.is_multipart()]
    plain = [part for part in parts if part.get_content_type() == "text/plain"]
    return rich[-1:] or plain[-1:] or parts[-1:]


def _is_attachment(part: Message) -> bool:
    return part.get_content_disposition() == "attachment"


def _is_inline(part: Message) -> bool:
    return bool(part.get("Content-ID")) or part.get_content_disposition() == "inline"


def _attached_bytes(part: Message) -> bytes:
    if part.get_content_type() != "message/rfc822":
        return part_bytes(part)
    inner = part.get_payload()
    first = inner[0] if isinstance(inner, list) and inner else None
    return first.as_bytes() if isinstance(first, Message) else part_bytes(part)


def _body(
    message: Message, parts: list[Message], attached: list[str]
) -> tuple[tuple[Block, ...], tuple[Problem, ...]]:
    headers: dict[str, str] = {}
    for name, value in message.raw_items():
        headers.setdefault(name.title(), _decoded(str(value)))
    blocks = []
    if headers.get("Subject"):
        blocks.append(Block(headers["Subject"], "heading", 1))
    lines = [f"{name}: {headers[name]}" for name in _SHOWN if headers.get(name)]
    if attached:
        lines.append(f"Attachments: {', '.join(attached)}")
    if lines:
        blocks.append(Block("\n".join(lines)))
    problems: list[Problem] = []
    for part in parts:
        data, charset = part_bytes(part), part.get_param("charset")
        try:
            if part.get_content_type() == "text/html":
                page = html_page(data, charset=charset, whole=True, title=False)
                blocks.extend(page.blocks)
                problems.extend(page.problems)
            else:
                text, found = decode_html(data, charset=charset)
                blocks.extend(text_blocks(text))
                problems.extend(found)
        except LoaderError as error:
            problems.append(Problem(error.code, str(error), details=plain_details(error.details)))
    return tuple(blocks), tuple(problems)


def _decoded(value: str) -> str:
    """A header's text: encoded words as RFC 2047 writes them, or raw bytes in any encoding."""
    try:
        raw = value.encode("ascii", "surrogateescape")
        text = value if raw.isascii() else decode(raw).text
    except (UnicodeEncodeError, LoaderError):
        text = value.encode("utf-8", "replace").decode()
    try:
        words = email.header.decode_header(text)
    except ValueError:
        return clean_line(text)
    return clean_line("".join(_word(word, charset) for word, charset in words))


def _word(word: str | bytes, charset: str | None) -> str:
    if isinstance(word, str):
        return word
    if charset is None:
        return word.decode("ascii", "replace")
    try:
        return decode_html(word, charset=charset)[0]
    except LoaderError:
        return word.decode("utf-8", "replace")
