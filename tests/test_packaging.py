"""What the image sets, and an installation that fails half-way."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from app.settings import load_settings

ROOT = Path(__file__).parents[1]

_PYTHON = """#!/bin/sh
case "$*" in
  -c*) echo 3.11 ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *pip*) exit {status} ;;
esac
"""
"""Stands for the interpreter: its environments hold itself, and its pip ends with a status."""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder to install from, as `packaging/bundle.sh` lays it out, without any package."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in ("zhiwen", "models"):
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(ROOT / "LICENSE", f"{name}/LICENSE")
    (folder / "python-version").write_text("3.11\n")
    (folder / "install.sh").write_bytes((ROOT / "packaging" / "install.sh").read_bytes())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in folder.iterdir()]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def _install(bundle: Path, target: str, *, pip_status: int) -> int:
    python = bundle.parent / "python"
    python.write_text(_PYTHON.format(status=pip_status))
    python.chmod(0o755)
    command = ["sh", str(bundle / "install.sh"), target, str(python)]
    done = subprocess.run(command, cwd=bundle.parent, check=False, capture_output=True)  # noqa: S603
    return done.returncode


@pytest.mark.parametrize("target", ["/inner/zhiwen", "/inner/zhiwen/", "relative"])
def test_an_installation_that_fails_leaves_nothing_and_can_be_done_again(bundle: Path, target: str) -> None:
    if target.startswith("/"):
        target = str(bundle.parent) + target
    folder = bundle.parent / target
    assert _install(bundle, target, pip_status=1) != 0
    assert not folder.exists()
    assert _install(bundle, target, pip_status=0) == 0
    assert {path.name for path in folder.iterdir()} == {".venv", "LICENSE", "data"}
    (folder / "data" / "catalogue.db").touch()
    assert _install(bundle, target, pip_status=0) != 0
    assert (folder / "data" / "catalogue.db").exists()


def test_what_a_killed_installation_left_is_taken_for_what_it_is(bundle: Path) -> None:
    folder = bundle.parent / "zhiwen"
    folder.mkdir()
    (folder / ".incomplete").touch()
    (folder / "half").touch()
    assert _install(bundle, str(folder), pip_status=0) == 0
    assert {path.name for path in folder.iterdir()} == {".venv", "LICENSE", "data"}


def test_a_settings_file_in_the_image_only_adds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage = (ROOT / "Dockerfile").read_text(encoding="utf-8").rsplit("FROM ", 1)[1]
    for name, value in re.findall(r"(ZHIWEN_\w+)=(\S+)", stage):
        monkeypatch.setenv(name, value)
    (tmp_path / "zhiwen.toml").write_text("[retrieval]\ntop_k = 7\n")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert (settings.data_dir, settings.models_dir) == (Path("/data"), Path("/opt/zhiwen/models-made"))
    assert (settings.server.host, settings.server.open_without_keys) == ("0.0.0.0", True)  # noqa: S104
    assert settings.retrieval.top_k == 7
