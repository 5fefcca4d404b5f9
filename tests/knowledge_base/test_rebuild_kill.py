"""A rebuild that is killed leaves the old state or the new one, and goes on from what it had done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.knowledge_base.doubles import BigramEmbedder, open_home
from tests.knowledge_base.rebuild_to_kill import COUNT, FORMER, POINTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", POINTS)
def test_killed_and_begun_again(tmp_path: Path, point: str) -> None:
    home = open_home(tmp_path / "data")
    texts = {f"{n}.md": f"第{n}个文件的内容。" for n in range(COUNT)}
    home.add("k", texts)
    home.close()
    command = [sys.executable, "-m", "tests.knowledge_base.rebuild_to_kill", str(home.folder), point]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
    assert said == "reached\n"

    embedder = BigramEmbedder(name="other", dimension=32)
    home = open_home(home.folder, embedder=embedder, former=[FORMER])
    assert home.key("k").embedder == ("other/32" if point == "switched" else "bigrams/64")
    for n in range(COUNT):
        assert home.found(f"第{n}个文件", "k") == {f"{n}.md"}
    home.rebuilder.rebuild(home.key("k"))
    assert len(embedder.embedded) == (COUNT // 2 if point == "middle" else 0)
    assert home.key("k").embedder == "other/32"
    for n in range(COUNT):
        assert home.found(f"第{n}个文件", "k") == {f"{n}.md"}
    home.rebuilder.rollback(home.key("k"))
    assert home.texts("k") == {name: [text] for name, text in texts.items()}
    assert home.key("k").embedder == "bigrams/64"
    home.close()
