"""Files inside files: the members of an archive, the attachments of a mail.

Each is written to a private temporary file under a number, never under its own name, and read
by the loader of its format. All of them share one budget, however deep they lie.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from loaders.base import Limits, Loader, LoadOptions
from loaders.cleaning import clean_line
from loaders.document import Block, Box, Line, Page, Problem
from loaders.errors import LimitExceededError, LoaderError, LoadInterruptedError
from loaders.package import BROKEN_ZIP, parser_errors
from loaders.temporary import storing, temporary_folder

_COPY_BYTES = 256 * 1024
_LEAST_BUDGET = 64 * 1024 * 1024
_LONGEST_NAME = 120


@dataclass(slots=True)
class Budget:
    """What is left of the limits while a file is unpacked, in all its depths together."""

    files: int
    bytes: int
    depth: int
    limits: Limits

    @classmethod
    def of(cls, limits: Limits, packed: int) -> Budget:
        """The budget of a file of `packed` bytes."""
        unpacked = max(_LEAST_BUDGET, limits.archive_ratio * packed)
        return cls(limits.archive_files, unpacked, limits.archive_depth, limits)

    def take_file(self) -> None:
        """Count a member. Raises `LimitExceededError`."""
        self.files -= 1
        if self.files < 0:
            raise LimitExceededError(
                f"There are more than {self.limits.archive_files} files inside.",
                limit="archive_files",
                maximum=self.limits.archive_files,
            )

    def take_bytes(self, count: int) -> None:
        """Count unpacked bytes. Raises `LimitExceededError`."""
        self.bytes -= count
        if self.bytes < 0:
            raise LimitExceededError(
                f"It unpacks to more than {self.limits.archive_ratio} times its size.",
                limit="archive_ratio",
                maximum=self.limits.archive_ratio,
            )


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside another: the name that it is shown under, and how to read its bytes."""

    name: str
    size: int
    data: BinaryIO


class ContainerLoader(Loader):
    """A format that holds other files. Pages are counted through all of them."""

    resumes = False

    @abstractmethod
    def contents(self, path: Path, options: LoadOptions, budget: Budget) -> Iterator[Page]:
        """The pages of what is inside, each numbered as its own file numbers it."""

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the pages of all files inside, numbered from 1 through all of them.

        The heading path of a page begins with its file's name, and with the number it has there
        where there are several.
        """
        budget = Budget.of(options.limits, path.stat().st_size)
        inner = replace(options, first_page=1)
        for number, page in enumerate(self.contents(path, inner, budget), 1):
            options.check_pages(number)
            if number >= options.first_page:
                yield renumbered(page, number)


def member_pages(member: Member, options: LoadOptions, budget: Budget) -> Iterator[Page]:
    """The pages of one member under its name; what cannot be read is a page with the problem only."""
    name = shown_name(member.name)
    try:
        budget.take_file()
        yield from _under(name, _parse(member, name, options, budget))
    except LoadInterruptedError:
        raise
    except LimitExceededError as error:
        if error.details.get("limit") in ("archive_files", "archive_ratio") and budget_spent(budget):
            raise
        yield failed_member(name, error)
    except LoaderError as error:
        yield failed_member(name, error)
    except BROKEN_ZIP as error:
        yield failed_member(name, error)


def budget_spent(budget: Budget) -> bool:
    """Whether nothing more may be unpacked, so that the members that follow fail as well."""
    return budget.files < 0 or budget.bytes < 0


def failed_member(name: str, error: Exception) -> Page:
    """The page of a member that cannot be read."""
    problem = Problem.caused("unreadable_member", error, name=name)
    return Page(None, (), (_inside(name, problem),), (name,))


def shown_name(name: str) -> str:
    """A member's name as text: it is shown, and no path is ever built from it."""
    return clean_line(name.replace("\\", "/"))[-_LONGEST_NAME:] or "?"


def _parse(member: Member, name: str, options: LoadOptions, budget: Budget) -> Sequence[Page]:
    from loaders.registry import find_loader, read_pages

    limits = options.limits
    if member.size > limits.file_bytes:
        raise LimitExceededError(
            f"It has {member.size} bytes; the limit is {limits.file_bytes}.",
            limit="file_bytes",
            value=member.size,
            maximum=limits.file_bytes,
        )
    with temporary_folder() as folder:
        path = folder / "member"
        with storing(), path.open("wb") as file:
            while piece := _read(member):
                options.check_cancelled()
                budget.take_bytes(len(piece))
                file.write(piece)
        loader = find_loader(path, PurePosixPath(name).name, limits=limits, faq=options.faq)
        if not isinstance(loader, ContainerLoader):
            return list(loader.finish(list(read_pages(loader, path, name=name, options=options))))
        if budget.depth <= 0:
            raise LimitExceededError(
                f"Files inside files are read to a depth of {limits.archive_depth}.",
                limit="archive_depth",
                maximum=limits.archive_depth,
            )
        budget.depth -= 1
        try:
            return list(loader.contents(path, options, budget))
        finally:
            budget.depth += 1


def _read(member: Member) -> bytes:
    """The next bytes; whatever goes wrong is the member's fault."""
    with parser_errors():
        return member.data.read(_COPY_BYTES)


def _under(name: str, pages: Sequence[Page]) -> Iterator[Page]:
    several = len(pages) > 1
    for page in pages:
        label = (f"p. {page.number}",) if several and page.number is not None else ()
        problems = tuple(_inside(name, problem) for problem in page.problems)
        yield replace(page, heading_path=(name, *label, *page.heading_path), problems=problems)


def _inside(name: str, problem: Problem) -> Problem:
    """The problem of a file inside, with the way to it."""
    below = problem.details.get("member")
    details = {**problem.details, "member": f"{name}/{below}" if below else name}
    return replace(problem, message=f"{name}: {problem.message}", details=details)


def renumbered(page: Page, number: int) -> Page:
    """The page under another number, which its boxes and problems share."""
    blocks = tuple(_on_page(block, number) for block in page.blocks)
    problems = tuple(replace(problem, page=number) for problem in page.problems)
    return replace(page, number=number, blocks=blocks, problems=problems)


def _on_page(block: Block, number: int) -> Block:
    if not block.lines:
        return block
    lines = tuple(Line(line.start, line.end, _box(line.box, number)) for line in block.lines)
    return replace(block, lines=lines)


def _box(box: Box, number: int) -> Box:
    return replace(box, page=number)
