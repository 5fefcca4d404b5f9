"""Every handler of the pages can be called by Gradio as it is declared."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow

# In a process of its own, because Gradio leaves an event loop behind.
_PROGRAM = """
import asyncio, json, os, sys, typing, warnings
from pathlib import Path
from types import SimpleNamespace

warnings.simplefilter("ignore")
from app.composition import build_service
from app.pages.layout import Labels, build_blocks
from app.pages.system import SystemFacts
from app.pages.uploads import upload_folder
from app.settings import load_settings
from knowledge_base.clock import now
from knowledge_base.document_listing import DocumentPage
from knowledge_base.types import KnowledgeBaseInfo

folder = upload_folder(Path(sys.argv[1])) / ("0" * 64)
folder.mkdir(parents=True)
os.environ["GRADIO_TEMP_DIR"] = str(folder.parent)  # for the components, when they are made
service = build_service(load_settings({"data_dir": Path(sys.argv[1])}))
blocks = build_blocks(service, None, SystemFacts(), Labels())
service.close()
handlers = {block.fn for block in blocks.fns.values() if block.fn is not None}
unreadable = []
for handler in handlers:
    try:
        typing.get_type_hints(handler)
    except NameError as error:
        unreadable.append(f"{handler.__qualname__}: {error}")

(folder / "sent.txt").touch()
file = {"path": str(folder / "sent.txt"), "meta": {"_type": "gradio.FileData"}}
changes = ({"path": sys.argv[1]}, {"path": "http://127.0.0.1:9/a.txt"}, {"is_stream": True})
outside = [{**file, **change} for change in changes]
taken = []
for block in blocks.fns.values():
    for named in outside if block.inputs else ():
        try:
            asyncio.run(blocks.preprocess_data(block, [named] * len(block.inputs), None))
            taken.append([block.name, named])
        except Exception as error:
            if type(error).__name__ != "InvalidPathError":
                taken.append([block.name, named, repr(error)])
    if [input.elem_id for input in block.inputs] == ["zw-set-upload"]:
        [own] = asyncio.run(blocks.preprocess_data(block, [file], None))

tab = next(handler.__self__ for handler in handlers if handler.__qualname__ == "LibraryTab._poll")
info = KnowledgeBaseInfo("kb", "", 250, 250, now())
pages = []
listing = SimpleNamespace(page=lambda _, **asked: pages.append(asked["offset"]) or DocumentPage([], 0))
tab._service = tab.list._service = SimpleNamespace(
    knowledge_bases=lambda: [info], listing=listing, settings=service.settings
)
tab._poll("kb", [], [], "", 100, SimpleNamespace(headers={}))
print(json.dumps([len(handlers), unreadable, taken, own == file["path"], pages]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What the program found."""
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path_factory.mktemp("data"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_gradio_can_read_the_annotations_of_all_handlers(built: list[Any]) -> None:
    # Where a name of an annotation is known to type checkers only, Gradio hands in no request.
    handlers, unreadable, *_ = built
    assert handlers > 40
    assert unreadable == []


def test_no_handler_is_given_a_file_that_no_browser_has_sent(built: list[Any]) -> None:
    _, _, taken, own, _ = built
    assert taken == []
    assert own


def test_a_list_stays_where_it_was_turned_to_while_jobs_are_followed(built: list[Any]) -> None:
    *_, pages = built
    assert pages == [100]
