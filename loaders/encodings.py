"""Decoding of text whose encoding nobody stated, Chinese encodings first."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from loaders.document import Problem
from loaders.errors import UnsupportedFormatError

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 64 * 1024
# The commonest characters of running Chinese, simplified and traditional: a wrong guess among
# the double-byte encodings turns them into rare ones.
_COMMON = frozenset(
    "的一是不了在人有我他这这個个们們中来來上大为為和国國地到以说說时時要就出会會可也你对對生能而子那得于於着著下自之年"
    "过過发發后後作里裡用道行所然家种種事成方多经經么麼去法学學如都同现現当當没沒动動面起看定天分还還进進好小部其些主"
    "样樣理心本前开開但因只从從想实實日军軍者意无無力它与與长長把机機十民第公此已工使情明性知全三又关關点點正业業外"
    "将將两兩高间間由问問很最重并並物手应應战戰向头頭文体體政美相见見被利什二等产產或新己制身果加西斯月话話合回特代内"
    "，。、；：？！“”（）《》「」"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
# Frequent characters (first level of GB 2312, of Big5) as byte patterns, punctuation included.
_GB_FREQUENT = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
_BIG5_FREQUENT = re.compile(rb"[\xa1-\xa3\xa4-\xc6][\x40-\x7e\xa1-\xfe]")
_DOUBLE = re.compile(rb"[\x81-\xfe][\x30-\x7e\x80-\xfe]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text and the encoding it was in. `bad_lines` counts from 1 the lines that did not fit it."""

    text: str
    encoding: str
    bad_lines: tuple[int, ...] = ()


def decode(data: bytes) -> Decoded:
    """Decode text in UTF-8, UTF-16, UTF-32, GB18030, Big5 or another legacy encoding.

    Where one file mixes encodings each line is decoded by itself. Raises
    `UnsupportedFormatError` when the data is not text.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            decoded = Decoded(data.decode(encoding, errors="replace"), encoding.removesuffix("-sig"))
            _check_text(decoded.text)
            return decoded
    if b"\x00" in data[:_SAMPLE]:
        wide = _guess_wide(data)
        if wide is None:
            raise UnsupportedFormatError("The file holds binary data, not text.")
        return wide
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A file cut inside its last character is still UTF-8.
        if error.start >= len(data) - 3 and error.reason == "unexpected end of data" and error.start > 0:
            text = data[: error.start].decode("utf-8")
        else:
            return _decode_legacy(data)
    _check_text(text)
    return Decoded(text, "utf-8")


def encoding_problems(decoded: Decoded) -> tuple[Problem, ...]:
    """The problem of a file in more than one encoding, if it is such a one."""
    if not decoded.bad_lines:
        return ()
    lines = ", ".join(map(str, decoded.bad_lines[:10])) + (", …" if len(decoded.bad_lines) > 10 else "")
    message = f"The file mixes text encodings; lines in another one than the rest: {lines}."
    return (Problem("mixed_encodings", message, details={"lines": lines}),)


def is_text(head: bytes) -> bool:
    """Tell whether the first bytes of a file look like text in some encoding."""
    try:
        # The sample may end inside a character of up to four bytes.
        decode(head)
    except UnsupportedFormatError:
        return False
    return True


def _check_text(text: str) -> None:
    if not _is_clean(text):
        raise UnsupportedFormatError("The file holds binary data, not text.")


def _is_clean(text: str) -> bool:
    """Whether a text has few control characters, such as the ^Z at the end of old files."""
    controls = len(_CONTROL.findall(text[:_SAMPLE]))
    return controls <= max(2, len(text[:_SAMPLE]) // 100)


def _guess_wide(data: bytes) -> Decoded | None:
    sample = data[: _SAMPLE - _SAMPLE % 4]
    best: tuple[float, str] | None = None
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        width = 4 if "32" in encoding else 2
        try:
            text = sample[: len(sample) - len(sample) % width].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4:
                continue
            text = sample[: error.start].decode(encoding, errors="ignore")
        if not text or _CONTROL.search(text):
            continue
        plain = sum(1 for c in text if c in _COMMON or " " <= c <= "~" or c in "\r\n\t")
        share = plain / len(text)
        if best is None or share > best[0]:
            best = (share, encoding)
    if best is None or best[0] < 0.2:
        return None
    return Decoded(data.decode(best[1], errors="replace"), best[1])


def _decode_legacy(data: bytes) -> Decoded:
    sample = data[:_SAMPLE]
    candidates = []
    for encoding in ("gb18030", "big5hkscs"):
        text = _try(data, encoding)
        if text is not None and _is_clean(text):
            candidates.append((_chinese_score(sample, text[:_SAMPLE], encoding), encoding, text))
    if candidates:
        score, encoding, text = max(candidates)
        if score >= 0.6:
            return Decoded(text, "big5" if encoding == "big5hkscs" else encoding)
    mixed = _decode_lines(data)
    if mixed is not None:
        return mixed
    guess = _guess_other(data)
    if guess is not None:
        return guess
    if candidates:
        _, encoding, text = max(candidates)
        return Decoded(text, encoding)
    raise UnsupportedFormatError("The file holds binary data, not text.")


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if 0 < len(data) - error.start <= 3:  # cut inside the last character
            return data[: error.start].decode(encoding, errors="ignore")
        return None


def _chinese_score(sample: bytes, text: str, encoding: str) -> float:
    """How much a decoded text looks like Chinese: about 1 for right guesses, below 0.5 for wrong ones."""
    pairs = len(_DOUBLE.findall(sample))
    if not pairs:
        return 0.0
    frequent = _GB_FREQUENT if encoding == "gb18030" else _BIG5_FREQUENT
    wide = [c for c in text if c > "\x7f"]
    common = sum(1 for c in wide if c in _COMMON) / max(1, len(wide))
    private = sum(1 for c in wide if "\ue000" <= c <= "\uf8ff") / max(1, len(wide))
    return min(1.0, len(frequent.findall(sample)) / pairs) * 0.8 + min(1.0, 3 * common) * 0.4 - private


def _decode_lines(data: bytes) -> Decoded | None:
    """Decode line by line where some lines are UTF-8 and some are not."""
    rows = data.split(b"\n")
    plain, utf8, other = 0, [], []
    for number, row in enumerate(rows, 1):
        if row.isascii():
            plain += 1
            continue
        try:
            row.decode("utf-8")
            utf8.append(number)
        except UnicodeDecodeError:
            other.append(number)
    if not utf8 or not other:
        return None
    rest = b"\n".join(rows[number - 1] for number in other)
    scored = [
        (_chinese_score(rest, text, encoding), encoding)
        for encoding in ("gb18030", "big5hkscs")
        if (text := rest.decode(encoding, errors="replace"))
    ]
    score, fallback = max(scored)
    # Lone bad bytes in a UTF-8 file are damage, not another encoding.
    if score < 0.5 or len(other) * 20 < len(utf8):
        fallback = "gb18030" if score >= 0.5 else "utf-8"
    strange = set(other)
    text = "\n".join(
        row.decode(fallback if number in strange else "utf-8", errors="replace")
        for number, row in enumerate(rows, 1)
    )
    minority = tuple(other if len(other) <= len(utf8) else utf8)
    try:
        _check_text(text)
    except UnsupportedFormatError:
        return None
    if text.count("\ufffd") * 10 > len(text):
        return None
    return Decoded(text, "utf-8" if len(other) <= len(utf8) else fallback.removesuffix("hkscs"), minority)


def _guess_other(data: bytes) -> Decoded | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE], threshold=0.2).best()
    if best is None:
        return None
    text = data.decode(best.encoding, errors="replace")
    try:
        _check_text(text)
    except UnsupportedFormatError:
        return None
    return Decoded(text, best.encoding.replace("_", "-"))
