"""The container of exports and backups: a ZIP file of uncompressed members and a manifest of their SHA-256.

Nothing in it is compressed, so that it cannot unpack to more than it is, and no member's name
becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from knowledge_base.errors import PackageError, PackageVersionError, storage_error
from loaders.errors import LoadingCancelledError

VERSION = 1
MANIFEST = "manifest.json"
BLOCK = 1 << 20
_MANIFEST_BYTES = 256 << 20
_LINE_BYTES = 64 << 20
_UNREADABLE = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    struct.error,
    ValueError,
)
"""What the ZIP reader raises for files that are none, are cut short, or want a password."""

Progress = Callable[[str, int, int], None]
"""Told a stage, and how much of how much is done in it."""


class Member(BaseModel):
    """A member as the manifest names it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern=r"\A[0-9a-f]{64}\z")
    size: int = Field(ge=0)


class Header(BaseModel):
    """What every version of every package says of itself; the rest depends on it."""

    model_config = ConfigDict(strict=True)

    format: str
    version: int


class Manifest(Header):
    """What both kinds of package hold: the format, its version, when it was made, and its members."""

    model_config = ConfigDict(extra="forbid", strict=True)

    created_at: str
    application: str
    members: dict[str, Member]


class HashingWriter:
    """Writes to a stream, counting and digesting what it is given."""

    def __init__(self, out: IO[bytes], cancelled: Callable[[], bool]) -> None:
        self._out = out
        self._cancelled = cancelled
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Write a block. Raises `LoadingCancelledError`."""
        if self._cancelled():
            raise LoadingCancelledError("cancelled while writing")
        self._digest.update(data)
        self._size += len(data)
        self._out.write(data)

    def write_file(self, path: Path) -> None:
        """Write what is in a file."""
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                self.write(block)

    def member(self) -> Member:
        """What was written, for the manifest."""
        return Member(sha256=self._digest.hexdigest(), size=self._size)


class PackageWriter:
    """Writes a package that is at `path` only once it is whole; used as a context manager.

    Raises `DiskFullError` or `DataFolderError` when it cannot be written; nothing is left then.
    """

    def __init__(self, path: Path, *, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._path = path
        self._cancelled = cancelled
        self.members: dict[str, Member] = {}

    def __enter__(self) -> PackageWriter:
        with storage_errors(self._path):
            self._file = tempfile.NamedTemporaryFile(
                dir=self._path.absolute().parent, prefix=".partial-", delete=False
            )
            self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        partial = Path(self._file.name)
        try:
            with storage_errors(self._path):
                if kind is None:
                    self._zip.close()
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    self._file.close()
                    partial.replace(self._path)
        finally:
            for close in (self._zip.close, self._file.close):
                with suppress(OSError, ValueError):
                    close()
            partial.unlink(missing_ok=True)

    @contextmanager
    def member(self, name: str) -> Iterator[HashingWriter]:
        """A stream to write one member to; the next can be begun when it is done."""
        with storage_errors(self._path), self._zip.open(name, "w", force_zip64=True) as out:
            writer = HashingWriter(out, self._cancelled)
            yield writer
        self.members[name] = writer.member()

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, last."""
        with storage_errors(self._path):
            self._zip.writestr(MANIFEST, manifest_json(manifest))


class PackageReader:
    """Reads a package of `format`; opening it checks that it is built as it should be.

    Raises `PackageError`, and `PackageVersionError` for a package of a later version. Nothing of a
    member can be trusted before `verify`.
    """

    def __init__(self, file: Path | BinaryIO, *, format: str, allowed: Callable[[str], bool]) -> None:
        self._format = format
        with _told():
            self._zip = zipfile.ZipFile(file)
        try:
            with _told():
                self._infos = self._checked_infos(allowed)
                self.manifest_data = self._manifest()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def expect(self, members: dict[str, Member]) -> None:
        """Check that the package holds exactly these members, of these sizes."""
        present = self._infos.keys() - {MANIFEST}
        for name in sorted(members.keys() ^ present):
            finding = "package_missing" if name in members else "package_extra"
            raise PackageError(f"{name}: {finding}", finding=finding, member=name)
        for name, member in members.items():
            if self._infos[name].file_size != member.size:
                raise checksum_error(name)

    def verify(
        self, members: dict[str, Member], *, progress: Progress, cancelled: Callable[[], bool]
    ) -> None:
        """Compare every member with its checksum; reads the whole package."""
        total, done = sum(member.size for member in members.values()), 0
        for name, member in members.items():
            digest = hashlib.sha256()
            for block in self.blocks(name):
                if cancelled():
                    raise LoadingCancelledError("cancelled while checking")
                digest.update(block)
                done += len(block)
                progress("check", done, total)
            if digest.hexdigest() != member.sha256:
                raise checksum_error(name)

    def blocks(self, name: str, size: int = BLOCK) -> Iterator[bytes]:
        """A member's bytes, `size` at a time."""
        with _told(), self._zip.open(self._infos[name]) as stream:
            while block := stream.read(size):
                yield block

    def lines(self, name: str) -> Iterator[bytes]:
        """A member's lines."""
        with _told(), self._zip.open(self._infos[name]) as stream:
            while line := stream.readline(_LINE_BYTES + 1):
                if len(line) > _LINE_BYTES:
                    raise PackageError(f"{name} has too long a line", finding="package_damaged")
                yield line

    def _checked_infos(self, allowed: Callable[[str], bool]) -> dict[str, zipfile.ZipInfo]:
        infos: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename
            if name in infos or (name != MANIFEST and not allowed(name)):
                if MANIFEST not in self._zip.namelist():
                    raise PackageError("some other ZIP file", finding="package_damaged")
                raise PackageError(f"unexpected member {name!r}", finding="package_extra", member=name)
            if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                raise PackageError(f"{name} is compressed", finding="package_damaged")
            infos[name] = info
        # Members that share their bytes would be more than the file holds.
        assert self._zip.fp is not None  # noqa: S101 - it is open
        if sum(info.file_size for info in infos.values()) > self._zip.fp.seek(0, os.SEEK_END):
            raise PackageError("members overlap", finding="package_damaged")
        if MANIFEST not in infos:
            raise PackageError("no manifest", finding="package_missing", member=MANIFEST)
        return infos

    def _manifest(self) -> bytes:
        if self._infos[MANIFEST].file_size > _MANIFEST_BYTES:
            raise PackageError("the manifest is too large", finding="package_damaged")
        data = self._zip.read(self._infos[MANIFEST])
        check_header(data, format=self._format)
        return data


def check_header(manifest: bytes, *, format: str) -> None:
    """Raise `PackageError` for what is no package of this format, or one of a later version."""
    try:
        header = Header.model_validate_json(manifest)
    except ValidationError as error:
        raise PackageError("the manifest cannot be read", finding="package_damaged") from error
    if header.format != format:
        raise PackageError(f"a package of {header.format!r}", finding="package_other", format=format)
    if header.version != VERSION:
        raise PackageVersionError(
            f"version {header.version} of the format", version=header.version, known=VERSION
        )


def manifest_json(manifest: Manifest) -> bytes:
    """A manifest as it is stored."""
    return json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False).encode()


def checksum_error(name: str) -> PackageError:
    """What is said of a member whose bytes are not those that were written."""
    return PackageError(f"{name} is not what was written", finding="package_checksum", member=name)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Tell an `OSError` as `DiskFullError` or `DataFolderError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(f"cannot write {path}", error) from error


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise PackageError(f"no readable package: {error}", finding="package_damaged") from error
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror}", finding="package_damaged") from error
