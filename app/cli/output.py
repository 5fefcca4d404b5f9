"""What the commands print: JSON or text on stdout, progress and errors on stderr."""

from __future__ import annotations

import functools
import io
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from app.messages import Language
    from app.schemas import Document
    from app.service import Service
    from app.settings import Settings
    from knowledge_base.ingestion import Progress
    from knowledge_base.types import KnowledgeBaseInfo


class Share(click.FloatRange):
    """A number from 0 to a maximum. Click's own type lets "nan" pass, which is in no range."""

    def __init__(self, maximum: float) -> None:
        super().__init__(0, maximum)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; fails for what is none."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class Output:
    """One command's settings and streams."""

    def __init__(self, arguments: dict[str, Any], *, as_json: bool) -> None:
        self.arguments = arguments
        self.as_json = as_json

    def settings(self, splitter: str | None = None) -> Settings:
        """The settings, with the command line's arguments; `splitter` is "name:size:overlap"."""
        from app.settings import load_settings

        arguments = dict(self.arguments)
        if splitter is not None:
            arguments["splitter"] = dict(
                zip(("name", "chunk_size", "overlap"), splitter.split(":"), strict=False)
            )
        return load_settings(arguments)

    @contextmanager
    def service(self) -> Iterator[Service]:
        """The service, closed at the end."""
        from app.composition import build_service

        service = build_service(self.settings())
        try:
            yield service
        finally:
            service.close()

    def language(self) -> Language:
        """The language of what is told to the user."""
        return _language(self.arguments)

    def result(self, value: dict[str, Any], text: str) -> None:
        """Print the command's result."""
        print(json_text(value) if self.as_json else text)

    def documents(self, listed: Sequence[Document]) -> None:
        """Print documents; exit status 1 when any failed."""
        lines = []
        for document in listed:
            columns = (document.id or "-", document.state, document.pages, document.chunks, document.name)
            lines.append("\t".join(map(str, columns)))
            for problem in document.problems:
                page = f"p.{problem.page} " if problem.page else ""
                lines.append(f"    {page}{problem.message} ({problem.code})")
        self.result({"documents": [d.model_dump(mode="json") for d in listed]}, "\n".join(lines))
        if any(document.state == "failed" for document in listed):
            raise click.exceptions.Exit(1)

    def knowledge_base(self, info: KnowledgeBaseInfo) -> None:
        """Print a knowledge base and its size."""
        from app import schemas

        schema = schemas.KnowledgeBase.model_validate(info)
        self.result(schema.model_dump(mode="json"), f"{info.name}\t{info.documents}\t{info.chunks}")

    def note(self, text: str) -> None:
        """Show progress, on one line of a terminal."""
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)

    def progress(self, at: Progress) -> None:
        """Show where an ingestion stands."""
        self.note(f"[{at.file + 1}/{at.files}] {at.stage} {at.done}/{at.total} {at.name}")


def json_text(value: dict[str, Any]) -> str:
    """JSON in characters that stdout can show: escaped where one cannot be, as a no-break space in GBK."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def show_any_text() -> None:
    """Have stdout write characters that its encoding lacks as their codes, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--json`, and its `Output` as the first argument."""

    @click.option("--json", "as_json", is_flag=True, help="输出一个 JSON 对象 / print one JSON object")
    @functools.wraps(command)
    def wrapped(as_json: bool, **options: Any) -> None:
        arguments: dict[str, Any] = click.get_current_context().obj
        command(Output(arguments, as_json=as_json), **options)

    return wrapped


def _language(arguments: dict[str, Any]) -> Language:
    from app.errors import SettingsError
    from app.failures import terminal_language
    from app.settings import load_settings

    try:
        setting = load_settings(arguments).language
    except SettingsError:  # to be told in some language all the same
        setting = "auto"
    return terminal_language(setting)


def report_usage(error: click.ClickException, arguments: Sequence[str]) -> int:
    """Tell the user that the command line is wrong; returns the exit status."""
    error.show()
    if "--json" in arguments:
        from app.errors import UsageError
        from app.failures import Failure

        reason = error.format_message()
        failure = Failure.of(UsageError(reason, reason=reason), _language({}))
        print(json_text({"error": failure.body()}))
    return error.exit_code


def report_error(error: Exception, arguments: Sequence[str]) -> int:
    """Tell the user what went wrong with the command of these arguments; returns the exit status."""
    from app.failures import Failure

    failure = Failure.of(error, _language({}))
    if failure.code == "internal_error":
        import traceback

        traceback.print_exception(error)
    if "--json" in arguments:
        print(json_text({"error": failure.body()}))
    print(failure.message, file=sys.stderr)
    return 1
