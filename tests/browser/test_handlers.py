"""Every handler of the pages can be called by Gradio as it is declared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# In a process of its own, because Gradio leaves an event loop behind.
_PROGRAM = """
import json, sys, typing, warnings
from pathlib import Path

warnings.simplefilter("ignore")
from app.composition import build_service
from app.pages.layout import Labels, build_blocks
from app.pages.system import SystemFacts
from app.settings import load_settings

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
print(json.dumps([len(handlers), unreadable]))
"""


def test_gradio_can_read_the_annotations_of_all_handlers(tmp_path: Path) -> None:
    # Where a name of an annotation is known to type checkers only, Gradio hands in no request.
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    handlers, unreadable = json.loads(done.stdout.splitlines()[-1])
    assert handlers > 40
    assert unreadable == []
