"""Amounts as people write them."""

from __future__ import annotations

from datetime import datetime

from app.messages import Language
from app.pages.texts import text

_UNITS = ("kB", "MB", "GB", "TB")
_HOUR = 3600


def size_text(size: float) -> str:
    """Bytes, such as "3.4 MB"."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in _UNITS:
        size /= 1000
        if size < 999.5 or unit == _UNITS[-1]:
            return f"{size:.1f} {unit}" if size < 99.5 else f"{size:.0f} {unit}"
    raise AssertionError


def duration_text(seconds: float, language: Language) -> str:
    """Seconds in the unit that fits, such as "4 分钟"."""
    for unit, length in (("hours", _HOUR), ("minutes", 60)):
        if seconds >= length:
            return text(f"duration_{unit}", language, count=round(seconds / length))
    return text("duration_seconds", language, count=max(1, round(seconds)))


def moment_html(moment: datetime) -> str:
    """A point in time, which the page's script writes in the reader's own zone."""
    shown = moment.strftime("%Y-%m-%d %H:%M")
    stamp = moment.isoformat() if moment.tzinfo else f"{moment.isoformat()}Z"
    return f'<time datetime="{stamp}">{shown} UTC</time>'


def moment_text(stamp: str) -> str:
    """A point in time in ISO 8601, in this machine's zone, where no script can put it into the reader's."""
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")
