"""A disk that is really full or read-only, files that go bad, readers beside writers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from knowledge_base.errors import DataFolderError, DiskFullError
from tests.knowledge_base.doubles import BigramEmbedder, Home, open_home, sections
from tests.knowledge_base.test_jobs import LEAVE, TRAVEL, ended, states

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LARGE = "\n\n".join(
    f"# 第{n}节\n\n编号为{n}的设备应当每季度检查一次，由值班人员记入台账。" for n in range(600)
)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A mount, where the tests may make one."""
    mount = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)  # noqa: S603, S607
    if mount.returncode:
        pytest.skip("mounting needs rights")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S603, S607


def test_a_disk_that_fills_fails_the_job_and_serves_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", "size=2m", "none"):
        home = open_home(folder)
        home.add("k", {"a.md": LEAVE})
        job_id = home.submit("k", {"large.md": LARGE})
        (folder / "ballast").write_bytes(b"x" * (os.statvfs(folder).f_bavail * 4096 - 40_000))
        runner = home.runner()
        runner.start()
        job = ended(home, job_id)
        assert (job.state, job.error) == ("failed", "disk_full")
        with pytest.raises(DiskFullError):
            home.store("b.md", b"x" * 900_000)
        assert home.found(LEAVE, "k") == {"a.md"}
        assert set(home.texts("k")) == {"a.md"}
        runner.stop()
        home.close()

        home = open_home(folder)
        assert home.found(LEAVE, "k") == {"a.md"}
        assert home.database.quick_check() == []
        (folder / "ballast").unlink()
        (small,) = home.add("k", {"b.md": TRAVEL})
        assert small.state == "ready"
        assert home.found(TRAVEL, "k") == {"b.md"}
        home.close()


def test_files_may_not_grow(tmp_path: Path) -> None:
    """RLIMIT_FSIZE, as a quota would: the write fails in the middle of a transaction."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from tests.knowledge_base.doubles import open_home
from tests.knowledge_base.test_faults import LARGE
from knowledge_base.errors import KnowledgeBaseError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
home = open_home(Path({str(tmp_path)!r}))
home.add("k", {{"a.md": "年假共有十五天。"}})
largest = max(path.stat().st_size for path in Path({str(tmp_path)!r}).rglob("*") if path.is_file())
resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 50_000, resource.RLIM_INFINITY))
for name in ("b.md", "c.md"):
    try:
        print(home.add("k", {{name: LARGE + name}})[0].state)
    except KnowledgeBaseError as error:
        print(error.code)
    print(home.found("年假共有十五天", "k"), sorted(home.texts("k")))
"""
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    # SQLite tells of an input/output error here, not of a full disk.
    assert ran.stdout.splitlines() == ["data_folder", "{'a.md'} ['a.md']"] * 2
    home = open_home(tmp_path)
    assert home.database.quick_check() == []
    assert home.found("年假共有十五天", "k") == {"a.md"}
    home.close()


def test_a_folder_without_rights_to_write_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    home = open_home(folder)
    home.add("k", {"a.md": LEAVE})
    home.close()
    with mounted(folder, "--bind", str(folder)):
        command = ["mount", "-o", "remount,ro,bind", str(folder)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        with pytest.raises(DataFolderError, match=str(folder)):
            open_home(folder)
    home = open_home(folder)
    assert home.found(LEAVE, "k") == {"a.md"}
    home.close()


def test_an_index_with_a_bit_flipped_anywhere_is_mended(home: Home) -> None:
    home.add("k", {f"{n}.md": f"第{n}条：部门{n}的值班电话是{8000 + n}。" for n in range(6)})
    expected = home.search("部门3的值班电话", "k", top_k=6)
    home.close()
    for part in (0.0, 0.3, 0.6, 0.99):
        for place in sorted(path for path in (home.folder / "indexes").rglob("*") if path.is_file()):
            if not place.exists() or not place.stat().st_size:  # the mended index has files of other names
                continue
            whole = bytearray(place.read_bytes())
            whole[int(part * len(whole))] ^= 0x10
            place.write_bytes(whole)
            embedder = BigramEmbedder()
            again = open_home(home.folder, embedder=embedder)
            assert again.search("部门3的值班电话", "k", top_k=6) == expected, (place, part)
            assert embedder.embedded == []
            again.close()


def test_a_reader_sees_the_old_state_or_the_new_one(home: Home) -> None:
    """A document is always found, whole, in one of its versions, however often it is replaced."""
    versions = [
        sections(*(f"版本{number}的第{part}条：设备应当检查。" for part in range(4))) for number in range(12)
    ]
    home.add("k", {"a.md": versions[0], "b.md": TRAVEL})
    wrong: list[str] = []
    looked = 0
    done = threading.Event()

    def read() -> None:
        nonlocal looked
        while not done.is_set():
            chunks = home.texts("k").get("a.md", [])
            mixed = {chunk.split("的第")[0].split("版本")[1] for chunk in chunks}
            if len(chunks) != 4 or len(mixed) != 1:
                wrong.append(f"catalogue: {chunks}")
            hits = [hit for hit in home.search("设备应当检查", "k", top_k=10) if hit.document == "a.md"]
            found = {hit.text.split("的第")[0].split("版本")[1] for hit in hits}
            if len(found) > 1:
                wrong.append(f"search: {found}")
            looked += 1

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in versions[1:]:
        home.add("k", {"a.md": version})
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert looked > 0


def test_two_processes_on_one_folder(home: Home) -> None:
    other = open_home(home.folder)
    first, second = home.runner(), other.runner()
    first.start()
    second.start()
    jobs = [(home, other)[n % 2].submit(f"k{n % 3}", {f"{n}.md": f"第{n}号文件的内容。"}) for n in range(9)]
    assert [states(ended(home, job)) for job in jobs] == [[(f"{n}.md", "ready")] for n in range(9)]
    for n in range(9):
        for each in (home, other):
            assert each.found(f"第{n}号文件的内容", f"k{n % 3}") == {f"{n}.md"}
    first.stop()
    second.stop()
    other.close()


def test_a_file_that_is_missing_costs_only_its_own_reading(home: Home) -> None:
    home.add("k", {"a.md": LEAVE, "b.md": TRAVEL})
    (info,) = [info for info in home.catalogue.documents(home.key("k").id) if info.name == "a.md"]
    home.files.path(home.catalogue.stored_sha256(home.key("k").id, info.id)).unlink()
    home.rebuilder.rebuild(home.key("k"))
    problems = {
        info.name: [p.code for p in info.problems] for info in home.catalogue.documents(home.key("k").id)
    }
    assert problems == {"a.md": ["not_read_again"], "b.md": []}
    assert home.found(LEAVE, "k") == {"a.md"}
    assert home.found(TRAVEL, "k") == {"b.md"}
    home.add("k", {"a.md": LEAVE})
    home.rebuilder.rebuild(home.key("k"))  # the bytes are back
    assert not any(info.problems for info in home.catalogue.documents(home.key("k").id))
    assert home.found(LEAVE, "k") == {"a.md"}


def test_writers_and_readers_at_once_lose_nothing(home: Home) -> None:
    """The short form of `python -m benchmarks.faults_http`."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                body = f"第{number}人第{turn}次写下的条款。"
                (result,) = home.add(f"k{turn % 2}", {f"{number}.md": body})
                assert result.state == "ready"
                assert home.found(body, f"k{turn % 2}") == {f"{number}.md"}
            assert result.document is not None
            if number % 2:
                home.delete("k0", result.document.id)
                assert home.found(body, "k0") == set()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(home.texts("k0")) == {f"{number}.md" for number in range(0, 8, 2)}
    assert set(home.texts("k1")) == {f"{number}.md" for number in range(8)}
