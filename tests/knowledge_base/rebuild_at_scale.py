"""Memory and time of rebuilding many small documents with another embedder, and of going back.

python -m tests.knowledge_base.rebuild_at_scale [DOCUMENTS]
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from knowledge_base.ingestion import Progress
from tests.knowledge_base.doubles import BigramEmbedder, open_home, sections

ASKED = "第7号文件第2段"


def memory() -> int:
    """MiB of the process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


def main() -> None:
    """Print one JSON object."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        for start in range(0, count, 200):
            home.add(
                "k",
                {
                    f"{n}.md": sections(*(f"第{n}号文件第{m}段，编号{n * 10 + m}。" for m in range(3)))
                    for n in range(start, min(start + 200, count))
                },
            )
        home.indexes.save_all()
        home.close()
        former, other = BigramEmbedder(), BigramEmbedder(name="other", dimension=32)
        home = open_home(Path(folder), embedder=other, former=[former])
        assert home.found(ASKED, "k") == {"7.md"}
        sizes: list[int] = []
        waits: list[float] = []

        def told(progress: Progress) -> None:
            if progress.done % (count // 10) == 0:
                before = time.perf_counter()
                assert home.found(ASKED, "k") == {"7.md"}
                waits.append(time.perf_counter() - before)
                sizes.append(memory())
                other.embedded.clear()

        begin = time.perf_counter()
        home.rebuilder.rebuild(home.key("k"), progress=told)
        rebuilt = time.perf_counter() - begin
        assert home.found(ASKED, "k") == {"7.md"}
        begin = time.perf_counter()
        home.rebuilder.rollback(home.key("k"))
        back = time.perf_counter() - begin
        assert home.found(ASKED, "k") == {"7.md"}
        home.close()
    result = {
        "documents": count,
        "memory_mib_by_tenth": sizes,
        "memory_mib_after": memory(),
        "seconds_rebuild": round(rebuilt, 1),
        "seconds_rollback": round(back, 1),
        "slowest_search_meanwhile_ms": round(1000 * max(waits)),
    }
    print(json.dumps(result))  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
