from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.artifacts import MANIFEST, ensure_folder, holds, read_manifest


def _build(folder: Path) -> None:
    (folder / "part").mkdir()
    (folder / "part" / "a.bin").write_bytes(b"abc")


def _fail(_: Path) -> None:
    raise AssertionError("built again")


def test_builds_once(tmp_path: Path) -> None:
    folder = ensure_folder(tmp_path / "model", version="1", build=_build)
    assert (folder / "part" / "a.bin").read_bytes() == b"abc"
    files = read_manifest(folder)["files"]
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files["part/a.bin"]["sha256"] == expected
    assert ensure_folder(tmp_path / "model", version="1", build=_fail) == folder
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["model"]


def test_another_version_is_built_in_its_place(tmp_path: Path) -> None:
    ensure_folder(tmp_path / "model", version="1", build=_build)

    def build(folder: Path) -> None:
        (folder / "b.bin").write_bytes(b"new")

    folder = ensure_folder(tmp_path / "model", version="2", build=build)
    assert sorted(p.name for p in folder.iterdir()) == ["b.bin", MANIFEST]


@pytest.mark.parametrize("damage", [b"abd", b"ab", b"", None])
def test_damaged_file_is_made_again(tmp_path: Path, damage: bytes | None) -> None:
    file = ensure_folder(tmp_path / "model", version="1", build=_build) / "part" / "a.bin"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
        os.utime(file, ns=(1, 1))
    assert not holds(tmp_path / "model", version="1")
    ensure_folder(tmp_path / "model", version="1", build=_build)
    assert file.read_bytes() == b"abc"


def test_a_copy_with_other_times_holds(tmp_path: Path) -> None:
    file = ensure_folder(tmp_path / "model", version="1", build=_build) / "part" / "a.bin"
    os.utime(file, ns=(5, 5))
    assert holds(tmp_path / "model", version="1")
    assert read_manifest(tmp_path / "model")["files"]["part/a.bin"]["mtime_ns"] == 5


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": "1"}', '{"version": "1", "files": []}'])
def test_damaged_manifest_is_made_again(tmp_path: Path, text: str) -> None:
    folder = ensure_folder(tmp_path / "model", version="1", build=_build)
    (folder / MANIFEST).write_text(text, "utf-8")
    ensure_folder(folder, version="1", build=_build)
    assert holds(folder, version="1")


def test_a_failed_build_leaves_the_old_state(tmp_path: Path) -> None:
    folder = ensure_folder(tmp_path / "model", version="1", build=_build)

    def build(target: Path) -> None:
        (target / "half").write_bytes(b"")
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError, match="no space"):
        ensure_folder(folder, version="2", build=build)
    assert holds(folder, version="1")
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["model"]


_KILLED = """
import os, sys
from pathlib import Path
from models.artifacts import ensure_folder
def build(folder):
    (folder / "a").write_bytes(b"half")
    os._exit(9)
ensure_folder(Path(sys.argv[1]), version="1", build=build)
"""


def test_a_killed_build_leaves_nothing_that_counts(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path / "model")], check=False)  # noqa: S603
    assert ended.returncode == 9
    assert not (tmp_path / "model").exists()
    folder = ensure_folder(tmp_path / "model", version="1", build=_build)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [folder.name]


_COUNTED = """
import sys
from pathlib import Path
from models.artifacts import ensure_folder
root = Path(sys.argv[1])
def build(folder):
    with (root / "built").open("a") as file:
        file.write("x")
    (folder / "a").write_bytes(b"abc")
print((ensure_folder(root / "model", version="1", build=build) / "a").read_bytes().decode())
"""


def test_two_processes_build_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _COUNTED, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]  # noqa: S603
    assert [process.communicate()[0] for process in both] == ["abc\n", "abc\n"]
    assert (tmp_path / "built").read_text() == "x"
