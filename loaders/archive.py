"""ZIP archives of any readable files."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from loaders.base import LoadOptions
from loaders.document import Page, Problem
from loaders.errors import DamagedFileError, EncryptedFileError, LimitExceededError
from loaders.members import Budget, ContainerLoader, Member, failed_member, member_pages, shown_name
from loaders.package import BROKEN_ZIP, check_ratio
from loaders.signatures import signature, zip_members

# What archivers and desktops leave behind in every archive.
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
_UNREADABLE: tuple[type[Exception], ...] = (*BROKEN_ZIP, RuntimeError)
_UTF8_NAME = 0x800
_OTHER_PACKAGES = ("[Content_Types].xml", "mimetype")


class ArchiveLoader(ContainerLoader):
    """The pages of every file inside, under its name. Names are shown, and never become paths."""

    format = "zip"
    suffixes = (".zip",)
    media_type = "application/zip"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:
        """Whether the file is a ZIP archive, and not of a format that is made of one."""
        if signature(head) != "zip":
            return False
        members = zip_members(path)
        if not members:
            # Empty, or cut short: then only the name can tell it from the other packages.
            return name.lower().endswith(self.suffixes) or head.startswith(b"PK\x05\x06")
        return not any(member in members for member in _OTHER_PACKAGES)

    def contents(self, path: Path, options: LoadOptions, budget: Budget) -> Iterator[Page]:
        """Yield the pages of the members, in the order of the archive."""
        try:
            archive = zipfile.ZipFile(path)
        except BROKEN_ZIP as error:
            raise DamagedFileError("The archive is cut short or damaged.", reason=str(error)) from error
        with archive:
            check_ratio(archive, path, options.limits)
            members = [member for member in archive.infolist() if not _is_litter(member)]
            if len(members) > budget.limits.archive_files:
                raise LimitExceededError(
                    f"The archive holds {len(members)} files; the limit is {budget.limits.archive_files}.",
                    limit="archive_files",
                    value=len(members),
                    maximum=budget.limits.archive_files,
                )
            if not members:
                raise DamagedFileError("The archive is empty.")
            for index, member in enumerate(members, 1):
                options.check_cancelled()
                inner = replace(options, progress=lambda *_, at=index: options.page_done(at, len(members)))
                yield from _read(archive, member, inner, budget)
                options.page_done(index, len(members))


def _read(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, options: LoadOptions, budget: Budget
) -> Iterator[Page]:
    raw = member_name(member)
    name = shown_name(raw)
    if stat.S_ISLNK(member.external_attr >> 16):
        yield _refused(name, "it is a link")
    elif (
        raw.startswith(("/", "\\")) or raw[1:2] == ":" or ".." in PurePosixPath(raw.replace("\\", "/")).parts
    ):
        yield _refused(name, "its name leads out of the archive")
    elif member.flag_bits & 1:
        yield failed_member(name, EncryptedFileError("it asks for a password"))
    else:
        try:
            stream: IO[bytes] = archive.open(member)
        except _UNREADABLE as error:
            yield failed_member(name, error)
            return
        with stream:
            yield from member_pages(Member(raw, member.file_size, cast("BinaryIO", stream)), options, budget)


def member_name(member: zipfile.ZipInfo) -> str:
    """The name as its author wrote it. Chinese archivers on Windows store GBK without saying so."""
    if member.flag_bits & _UTF8_NAME:
        return member.filename
    try:
        raw = member.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return member.filename
    for encoding in ("utf-8", "gb18030", "big5"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return member.filename


def _is_litter(member: zipfile.ZipInfo) -> bool:
    name = member.filename
    return member.is_dir() or name.startswith(_LITTER[0]) or PurePosixPath(name).name in _LITTER[1:]


def _refused(name: str, reason: str) -> Page:
    problem = Problem("unsafe_member", f"{name}: {reason}", details={"member": name})
    return Page(None, (), (problem,), (name,))
