"""DOC, PPT and XLS: converted by LibreOffice, where it is installed, and read as their successors."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from loaders.base import Loader, LoadOptions
from loaders.document import Page
from loaders.docx import DocxLoader
from loaders.errors import DamagedFileError, UnsupportedFormatError
from loaders.faq import FaqLoader, with_columns
from loaders.pptx import PptxLoader
from loaders.signatures import signature
from loaders.temporary import storing, temporary_folder
from loaders.xlsx import XlsxLoader

CONVERT_SECONDS = 100.0
_HEAD_BYTES = 8 * 1024


class ConverterMissingError(UnsupportedFormatError):
    """LibreOffice is needed to read the file, and is not installed."""

    code = "libreoffice_missing"


class LegacyLoader(Loader):
    """A format of Office 97 to 2003: an OLE file that holds one of `streams`."""

    streams: tuple[str, ...]
    converted_suffix: str
    readers: tuple[Loader, ...]
    """Who may read the converted file, the more particular first."""
    resumes = False

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the OLE file's directory names one of the streams."""
        if signature(head) != "ole":
            return False
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return any(data.find(_directory_name(stream)) >= 0 for stream in self.streams)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Convert the file and yield the pages of the result.

        Raises `ConverterMissingError`, and `DamagedFileError` where the conversion fails.
        """
        options.check_cancelled()
        with temporary_folder() as folder:
            converted = convert(path, self.suffixes[0], self.converted_suffix, folder)
            with converted.open("rb") as file:
                head = file.read(_HEAD_BYTES)
            for reader in with_columns(self.readers, options.faq):
                if reader.recognises(head, converted, converted.name):
                    yield from reader.pages(converted, options)
                    return
        raise DamagedFileError("LibreOffice could not convert the file.")

    def finish(self, pages: Sequence[Page]) -> Sequence[Page]:
        """Finish as the successor's loader does."""
        return self.readers[-1].finish(pages)


class DocLoader(LegacyLoader):
    """Word 97 to 2003, and WPS Writer, which keeps the same streams."""

    format = "doc"
    suffixes = (".doc", ".dot", ".wps")
    media_type = "application/msword"
    streams = ("WordDocument",)
    converted_suffix = ".docx"
    readers = (DocxLoader(),)


class PptLoader(LegacyLoader):
    """PowerPoint 97 to 2003, and WPS Presentation."""

    format = "ppt"
    suffixes = (".ppt", ".pps", ".pot", ".dps")
    media_type = "application/vnd.ms-powerpoint"
    streams = ("PowerPoint Document",)
    converted_suffix = ".pptx"
    readers = (PptxLoader(),)


class XlsLoader(LegacyLoader):
    """Excel 97 to 2003, and WPS Spreadsheets; also questions and answers kept in it."""

    format = "xls"
    suffixes = (".xls", ".xlt", ".et")
    media_type = "application/vnd.ms-excel"
    streams = ("Workbook", "Book")
    converted_suffix = ".xlsx"
    readers = (FaqLoader(), XlsxLoader())


def find_converter() -> str | None:
    """The path of LibreOffice's program, or None where it is not installed."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def convert(path: Path, suffix: str, target: str, folder: Path, *, seconds: float = CONVERT_SECONDS) -> Path:
    """Convert a file to the format of the suffix `target`, inside `folder`; return the result's path.

    Raises `ConverterMissingError`, `TemporaryFolderError`, and `DamagedFileError` where LibreOffice
    fails or takes longer than `seconds`.
    """
    program = find_converter()
    if program is None:
        raise ConverterMissingError(
            f"Files of the kind {suffix} are read through LibreOffice, which is not installed. "
            f"Install it, or save the file as {target}.",
            needs="LibreOffice",
            format=suffix,
            target=target,
        )
    source = folder / f"source{suffix}"
    with storing():
        shutil.copyfile(path, source)
    result = folder / f"source{target}"
    command = [
        program,
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",  # so that two can run side by side
        *("--headless", "--norestore", "--nolockcheck", "--nodefault"),
        *("--convert-to", target[1:], "--outdir", str(folder), str(source)),
    ]
    process = subprocess.Popen(  # noqa: S603 - a fixed program, and paths of our own making
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # in our own group, with which a process that reads for the service is ended
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise DamagedFileError(
            f"LibreOffice took longer than {seconds:g} s.", reason="timeout", needs="LibreOffice"
        ) from error
    finally:
        _end_tree(process)
    if not result.is_file() or not result.stat().st_size:
        raise DamagedFileError(
            f"LibreOffice could not convert the file (status {process.returncode}).", reason="conversion"
        )
    return result


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    """End the program with all that it started (on Linux): it is a script that starts another."""
    for pid in [] if process.poll() is not None else _descendants(process.pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            yield from _descendants(int(child))
            yield int(child)


def _directory_name(stream: str) -> bytes:
    """A stream's name as an OLE directory holds it: UTF-16, ended by a zero, after an entry's end."""
    return (stream + "\0").encode("utf-16-le")
