"""A process that works through one job and, at a given point, says so and waits to be killed.

python -m tests.knowledge_base.process_to_kill FOLDER POINT
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from knowledge_base import catalogue, chunk_rows, ingestion
from tests.knowledge_base.doubles import Home, open_home, sections

OLD = {
    "kept.md": sections("年假共有十五天。", "病假须交证明。"),
    "changed.md": sections("住宿标准为五百元。", "餐费每天一百元。"),
}
NEW = {
    "changed.md": sections("住宿标准为八百元。", "餐费每天一百元。"),
    "x.md": sections("机房温度二十二度。", "消防通道不得堵塞。", "门禁卡丢失即报。"),
    "y.md": sections("班车七点四十发车。", "周末班车停运。"),
}
POINTS = (
    "put",
    "claim",
    "parse",
    "embed",
    "half-written",
    "commit",
    "indexed",
    "noted",
    "index-save",
    "delete",
)


def reached() -> None:
    """Tell the parent and wait; only a kill ends this."""
    print("reached", flush=True)  # noqa: T201
    sys.stdin.read()


def after(call: Callable[..., Any], *, calls: int = 1) -> Callable[..., Any]:
    """`call`, which does not return from its `calls`-th time."""
    count = 0

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal count
        result = call(*args, **options)
        count += 1
        if count == calls:
            reached()
        return result

    return wrapped


def before(_call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *_args, **_options: reached()


def arrange(home: Home, point: str) -> None:
    """Let the work stop at `point`."""
    if point == "claim":
        home.queue.claim = after(home.queue.claim)  # type: ignore[method-assign]
    elif point == "parse":
        home.parser.before = lambda name: reached() if name == "y.md" else None
    elif point == "embed":
        home.embedder.encode_documents = after(home.embedder.encode_documents)  # type: ignore[method-assign]
    elif point == "half-written":
        chunk_rows.replace_chunks = after(chunk_rows.replace_chunks, calls=2)
    elif point == "commit":
        home.catalogue.commit = after(home.catalogue.commit)  # type: ignore[method-assign]
    elif point == "indexed":
        home.indexes.index = after(home.indexes.index)  # type: ignore[method-assign]
    elif point == "noted":
        ingestion.COMMIT_CHUNKS = 1
        home.queue.note_file = after(home.queue.note_file)  # type: ignore[method-assign]
    elif point == "index-save":
        from vectorstore.hybrid import HybridIndex

        HybridIndex.save = before(HybridIndex.save)  # type: ignore[method-assign]


def broken_upload() -> Iterator[bytes]:
    yield b"half of a file"
    reached()


def main() -> None:
    folder, point = Path(sys.argv[1]), sys.argv[2]
    home = open_home(folder)
    if point == "put":
        home.files.put("x.md", broken_upload(), max_bytes=1000)
    if point == "delete":
        catalogue.Catalogue.unreferenced = before(catalogue.Catalogue.unreferenced)  # type: ignore[method-assign]
        (document,) = [d for d in home.catalogue.documents(home.key("k").id) if d.name == "changed.md"]
        home.delete("k", document.id)
    home.submit("k", NEW)
    arrange(home, point)
    runner = home.runner()
    runner.start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
