"""Examples of the JSON of the HTTP interface, for its description."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel


@cache
def examples() -> dict[str, dict[str, Any]]:
    """By the name of its class."""
    found: dict[str, dict[str, Any]] = json.loads(files("app").joinpath("examples.json").read_bytes())
    return found


def with_example(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add a class's example to its JSON schema: for `json_schema_extra`, which subclasses inherit."""
    if model.__name__ in examples():
        schema["examples"] = [examples()[model.__name__]]
