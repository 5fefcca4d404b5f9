"""Opening files that are ZIP packages (XLSX, PPTX, EPUB), against bombs and hostile XML."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loaders.base import Limits
from loaders.errors import (
    DamagedFileError,
    EncryptedFileError,
    LimitExceededError,
    LoaderError,
    OutOfMemoryError,
)

BROKEN_ZIP: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
)
"""What `zipfile` raises for a file that is damaged or uses something that it cannot read."""

# Below this many bytes no ratio is a danger, and small spreadsheets pack very well.
_HARMLESS_BYTES = 32 * 1024 * 1024
_DOCTYPE = re.compile(rb"<!\x00?D\x00?O\x00?C\x00?T\x00?Y\x00?P\x00?E", re.IGNORECASE)
_PROLOGUE = 64 * 1024


@contextmanager
def open_package(path: Path, limits: Limits, *, dtd: bool = False) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP package whose XML parts may be handed to a parser.

    Office formats forbid a document type declaration, so one in any XML part is refused, and
    with it every attack through entities; `dtd` allows it. Raises `DamagedFileError`,
    `EncryptedFileError` or `LimitExceededError`.
    """
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN_ZIP as error:
        raise DamagedFileError("The file is cut short or damaged.", reason=str(error)) from error
    with archive:
        check_ratio(archive, path, limits)
        try:
            for part in archive.infolist():
                if part.flag_bits & 1:
                    raise EncryptedFileError("The file asks for a password.")
                if not dtd and part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as stream:
                        if _DOCTYPE.search(stream.read(_PROLOGUE)):
                            raise DamagedFileError("The file declares XML entities.", part=part.filename)
        except BROKEN_ZIP as error:
            raise DamagedFileError("The file is cut short or damaged.", reason=str(error)) from error
        yield archive


def check_ratio(archive: zipfile.ZipFile, path: Path, limits: Limits) -> None:
    """Raise `LimitExceededError` when an archive would unpack to too many times its size.

    The sizes are those declared in the directory; `zipfile` reads no member beyond its own.
    """
    unpacked = sum(member.file_size for member in archive.infolist())
    packed = max(1, path.stat().st_size)
    if unpacked > _HARMLESS_BYTES and unpacked > limits.archive_ratio * packed:
        raise LimitExceededError(
            f"The file would unpack to {unpacked // packed} times its size.",
            limit="archive_ratio",
            value=unpacked // packed,
            maximum=limits.archive_ratio,
        )


@contextmanager
def parser_errors() -> Iterator[None]:
    """Turn whatever a third-party parser raises for a broken file into a `LoaderError`."""
    try:
        yield
    except (LoaderError, GeneratorExit):
        raise
    except RecursionError as error:
        raise DamagedFileError("The file is nested too deeply.", reason="nesting") from error
    except MemoryError as error:
        raise OutOfMemoryError("The file needs too much memory.") from error
    except Exception as error:  # parsers raise anything for hostile bytes
        reason = f"{type(error).__name__}: {error}"[:200]
        raise DamagedFileError("The file is cut short or damaged.", reason=reason) from error
