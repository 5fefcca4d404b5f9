from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vectorstore import scratch
from vectorstore.errors import IndexFilesError

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from vectorstore.scratch import scratch_folder
folder = scratch_folder()
(folder / "segment").write_bytes(b"x")
print(folder, flush=True)
sys.stdin.read()
"""


def start(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    killed, left = start(tmp_path)
    living, used = start(tmp_path)
    killed.kill()
    killed.communicate()
    assert (left / "segment").exists()
    third, own = start(tmp_path)
    assert (left.exists(), used.exists(), own.exists()) == (False, True, True)
    assert left.parent not in tmp_path.iterdir()
    for process in (living, third):
        process.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_cleared_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "_own", None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = scratch.scratch_folder()
    assert scratch.scratch_folder().parent == first.parent
    shutil.rmtree(first.parent)
    second = scratch.scratch_folder()
    assert second.is_dir()
    assert second.parent != first.parent
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    shutil.rmtree(second.parent)
    with pytest.raises(IndexFilesError):
        scratch.scratch_folder()
