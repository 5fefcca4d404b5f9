"""The documentation names every setting, route, command, dependency and error code, and its links hold."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

import click
import pytest
from pydantic import BaseModel

from app.cli.main import cli
from app.failures import KNOWN, STATUS
from app.http import application
from app.messages import LANGUAGES
from app.service import Service
from app.settings import Settings
from models.chat_spec import ChatModelSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGES = ("app", "knowledge_base", "loaders", "models", "vectorstore")
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def first_cells(page: str) -> dict[str, str]:
    """Rows of the page's tables whose first cell is code, by that code."""
    rows = {}
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        found = re.match(r"\|\s*`([^`]+)`\s*\|(.*)\|$", line)
        if found:
            rows[found[1]] = found[2]
    return rows


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys of the settings with their defaults."""
    for name, field in model.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from fields(type(default), f"{prefix}{name}.")
        else:
            yield prefix + name, default


def shown(default: object) -> str:
    """A default as TOML writes it."""
    if default is None or default == {}:
        return "–"
    if isinstance(default, bool):
        return str(default).lower()
    return f'"{default}"' if isinstance(default, str | Path) else str(default)


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def error_classes(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for below in base.__subclasses__():
        yield from error_classes(below)


def source_files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def problem_codes() -> set[str]:
    """Codes that the sources give to a `Problem`."""
    found = set()
    for path in source_files():
        text = path.read_text(encoding="utf-8")
        if "Problem(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                given = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "code")]
                found |= {a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


def test_every_setting_is_documented_with_its_default() -> None:
    rows = first_cells("settings.md")
    expected = dict(fields(Settings))
    expected |= {f"answering.models.NAME.{key}": default for key, default in fields(ChatModelSpec)}
    assert set(rows) == set(expected)
    for key, default in expected.items():
        assert rows[key].split("|")[0].strip().strip("`") == shown(default), key


def test_every_route_is_documented() -> None:
    service = cast(Service, SimpleNamespace(settings=Settings()))
    paths = application.create_app(service, pages=False).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(first_cells("http.md")) >= routes
    named = {row for row in first_cells("http.md") if re.match(r"(GET|POST|PUT|PATCH|DELETE) ", row)}
    assert named - routes == {"GET /docs", "GET /openapi.json"}


def test_every_command_is_documented_with_its_options() -> None:
    rows = first_cells("commands.md")
    expected = dict(commands(cli, "zhiwen"))
    assert {row.split(" [")[0] for row in rows if row.startswith("zhiwen ")} == set(expected)
    for row, text in rows.items():
        if row.startswith("zhiwen "):
            command = expected[row.split(" [")[0]]
            options = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
            assert options - {"--json"} <= set(_CODE.findall(text)), row


def test_every_dependency_is_documented_with_a_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in project["dependencies"]}
    rows = first_cells("dependencies.md")
    assert set(rows) == names
    assert all(
        len(row.split("|")) == 2 and all(cell.strip() for cell in row.split("|")) for row in rows.values()
    )


def test_every_error_code_is_documented_with_its_status() -> None:
    raised = {str(getattr(c, "code", "")) for base in KNOWN for c in error_classes(base)}
    texts = [
        json.loads((ROOT / f"app/messages/{language}.json").read_text("utf-8")) for language in LANGUAGES
    ]
    told = {key.split(".", 1)[1] for text in texts for key in text if key.startswith(("error.", "problem."))}
    rows = first_cells("errors.md")
    assert (raised | told | problem_codes() | set(STATUS)) - set(rows) == set()
    for code, status in STATUS.items():
        assert rows[code].split("|")[0].strip() == str(status), code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [link.split("#")[0] for link in _LINK.findall(text) if "://" not in link]
    missing = [t for t in targets if t and not (page.parent / unquote(t)).exists()]
    assert missing == []


def test_both_readmes_have_the_same_sections() -> None:
    def outline(name: str) -> list[int]:
        text = _FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))
        return [len(mark) for mark in re.findall(r"^(#+) ", text, re.MULTILINE)]

    assert outline("README.md") == outline("README.zh-CN.md")


def test_every_decision_and_page_is_linked_from_somewhere() -> None:
    linked = {
        (page.parent / unquote(link.split("#")[0])).resolve()
        for page in PAGES
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in link
    }
    orphans = [str(p.relative_to(ROOT)) for p in DOCS.rglob("*.md") if p.resolve() not in linked]
    assert orphans == []
