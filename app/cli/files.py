"""Finding the files that the command line was given, and the names under which they go in."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import (
    ApplicationError,
    FileNotFoundOnDiskError,
    NotAFileError,
    OutsideLinkError,
    RepeatedNameError,
)
from knowledge_base.names import normalised

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file and the name that it gets, or `error`: why it is not read."""

    name: str
    path: Path
    error: ApplicationError | None = None


def find_files(paths: Sequence[Path]) -> list[FoundFile]:
    """Files, each once, with their own names, or their places below the folder given.

    Files of one name from different folders have their folders put before it. Where no folder tells
    them apart, because the names differ in nothing but their spelling, the first one is taken and
    the others carry a `RepeatedNameError`.
    """
    found: dict[Path, FoundFile] = {}
    for path in paths:
        for file in _walk(Path(os.path.abspath(path))):  # noqa: PTH100 - resolve() would follow links
            found.setdefault(file.path, file)
    while longer := _lengthened(list(found.values())):
        found.update((file.path, file) for file in longer)
    files, taken = [], set()
    for file in found.values():
        name = normalised(file.name)
        if name in taken and file.error is None:
            file = replace(file, error=RepeatedNameError(f"another file is called {name!r} too", names=name))
        taken.add(name)
        files.append(file)
    return files


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a regular file. Raises `FileNotFoundOnDiskError` or `NotAFileError`."""
    try:
        mode = path.stat().st_mode
        # A pipe would be waited for, perhaps for ever, and a device may have no end.
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise NotAFileError(f"{path} is no regular file", name=_text(str(path)))
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except OSError as error:
        raise _unreadable(path, error) from error


def _lengthened(files: Sequence[FoundFile]) -> list[FoundFile]:
    """The files that share their name with others, with one more of their folders before it."""
    counts = Counter(normalised(file.name) for file in files)
    longer = []
    for file in files:
        if counts[normalised(file.name)] > 1:
            parts = file.path.parts[1:][-file.name.count("/") - 2 :]
            name = _text("/".join(parts))
            if name != file.name:
                longer.append(replace(file, name=name))
    return longer


def _walk(path: Path) -> Iterator[FoundFile]:
    """The file given, or the files below the folder given, hidden ones left out.

    A link that was given is followed. One found below a folder is followed to a file in that folder,
    never out of it; links to folders are not followed.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir() raises for names too long, or not to be seen
        yield FoundFile(_text(path.name), path)
        return
    root = path.resolve()
    errors: list[OSError] = []
    empty = True
    for folder, folders, names in os.walk(path, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted([*names, *links]):
            file = Path(folder, name)
            error: ApplicationError | None
            try:
                error = _link_error(file, root) if file.is_symlink() else None
                taken = error is not None or file.is_file()
            except OSError as unseen:
                error, taken = _unreadable(file, unseen), True
            if taken and not name.startswith("."):
                empty = False
                yield FoundFile(_text(file.relative_to(path).as_posix()), file, error)
    for unread in errors:
        empty = False
        place = Path(unread.filename)
        name = path.name if place == path else place.relative_to(path).as_posix()
        yield FoundFile(_text(name), place, _unreadable(place, unread))
    if empty:
        yield FoundFile(_text(path.name), path)  # which then is told to hold no file


def _link_error(link: Path, root: Path) -> ApplicationError | None:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop, before Python 3.13
        return FileNotFoundOnDiskError(f"the link {link} leads nowhere: {error}", name=_text(str(link)))
    if target.is_relative_to(root):
        return None
    return OutsideLinkError(f"the link {link} leads out of {root}", name=_text(str(link)))


def _unreadable(path: Path, error: OSError) -> FileNotFoundOnDiskError:
    return FileNotFoundOnDiskError(f"cannot read {path}: {error.strerror}", name=_text(str(path)))


def _text(name: str) -> str:
    """A name as text. Old archives leave names in GBK on the disk, which is not what the system expects."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "replace")
    return name
