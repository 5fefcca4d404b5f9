"""What a file is, told from its first bytes and, for containers, from its members."""

from __future__ import annotations

import zipfile
from pathlib import Path

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"MZ", "executable"),
    (b"\x7fELF", "executable"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"{\\rtf", "rtf"),
    (b"%!PS", "postscript"),
)


def signature(head: bytes) -> str | None:
    """Name the kind of file whose first bytes are `head`, or None when they carry no signature."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    # A bitmap's header holds the size of the header that follows, which plain text "BM…" does not.
    if head[:2] == b"BM" and len(head) >= 18 and head[14:18] in (b"\x0c\0\0\0", b"\x28\0\0\0", b"\x7c\0\0\0"):
        return "bmp"
    # PDF allows some bytes of rubbish before its header.
    if b"%PDF-" in head[:1024]:
        return "pdf"
    return None


def zip_members(path: Path) -> frozenset[str]:
    """The member names of a ZIP file; empty when its directory cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return frozenset()


def is_package(head: bytes, path: Path, member: str, suffixes: tuple[str, ...], name: str) -> bool:
    """Tell whether a file is the ZIP-based format that holds `member`.

    A file cut short has no directory; then the name decides, so that the format's own loader
    can say that the file is damaged.
    """
    if signature(head) != "zip":
        return False
    members = zip_members(path)
    if members:
        return member in members
    return name.lower().endswith(suffixes)


def holds_encrypted_package(path: Path) -> bool:
    """Tell whether an OLE file is an office document of the ZIP kind under a password."""
    with path.open("rb") as file:
        return "EncryptedPackage".encode("utf-16-le") in file.read(4 * 1024 * 1024)
