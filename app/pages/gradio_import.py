"""Leaves out what Gradio does for editors only when it is imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_interface_files() -> Iterator[None]:
    """Within, Gradio is imported without its interface files (.pyi).

    At every import it parses the sources of its components and writes these files beside them, which takes
    a third of the time and changes the folder of programs. It passes over a class that no file can be
    found for, which is all that this tells it.
    """
    module: Any = inspect
    getfile = module.getfile

    def of_no_component(thing: Any) -> str:
        if type(thing).__name__ == "ComponentMeta":
            raise OSError("the interface files of components are not wanted")
        return str(getfile(thing))

    module.getfile = of_no_component
    try:
        yield
    finally:
        module.getfile = getfile
