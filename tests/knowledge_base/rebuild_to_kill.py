"""A process that rebuilds with another embedder and, at a given point, says so and waits to be killed.

python -m tests.knowledge_base.rebuild_to_kill FOLDER POINT
"""

from __future__ import annotations

import sys
from pathlib import Path

from knowledge_base import generation_rows, rebuilding
from tests.knowledge_base.doubles import BigramEmbedder, open_home
from tests.knowledge_base.process_to_kill import after

POINTS = ("middle", "switch", "switched")
FORMER = BigramEmbedder()
COUNT = 6


def main() -> None:
    """Rebuild "k"."""
    folder, point = Path(sys.argv[1]), sys.argv[2]
    home = open_home(folder, embedder=BigramEmbedder(name="other", dimension=32), former=[FORMER])
    rebuilding.COMMIT_CHUNKS = 1  # type: ignore[attr-defined]
    if point == "middle":
        generation_rows.stage = after(generation_rows.stage, calls=COUNT // 2 + 1)
    elif point == "switch":  # in the transaction that switches, before it is committed
        generation_rows.switch = after(generation_rows.switch)
    else:
        home.indexes.save = after(home.indexes.save)  # type: ignore[method-assign]
    home.rebuilder.rebuild(home.key("k"))


if __name__ == "__main__":
    main()
