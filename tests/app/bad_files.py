"""Files that must be refused."""

from __future__ import annotations

import io
from functools import cache

from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)


@cache
def bad_files() -> dict[str, tuple[bytes, str, int]]:
    """By name: the bytes, the code of the error, the HTTP status."""
    whole = _pdf(None)
    return {
        "empty.txt": (b"", "empty_file", 422),
        "half.pdf": (whole[: len(whole) // 2], "damaged_file", 422),
        "picture.docx": (_PNG, "unsupported_format", 415),
        "locked.pdf": (_pdf(StandardEncryption("secret", canPrint=0)), "encrypted_file", 422),
        "program.exe": (b"MZ" + bytes(200), "unsupported_format", 415),
    }


def _pdf(encryption: StandardEncryption | None) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, encrypt=encryption, invariant=True)
    for page in range(1, 4):
        canvas.drawString(72, 720, f"This is page {page} of the annual report of the company.")
        canvas.showPage()
    canvas.save()
    return out.getvalue()
