"""Pages per second of our PDF loader beside pdfplumber's text extraction, in one run.

python -m benchmarks.pdf_loading FILE.pdf… [--rounds 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from loaders.base import LoadOptions
from loaders.registry import parse_file


def _ours(path: Path) -> int:
    return parse_file(path, name=path.name, options=LoadOptions()).pages


def _plumber(path: Path) -> int:
    import pdfplumber

    with pdfplumber.open(path) as pdf:
        for page in pdf.pages:
            page.extract_text()
            page.close()
        return len(pdf.pages)


def _best(read: Callable[[Path], int], path: Path, rounds: int) -> float:
    """The most pages per second of some rounds."""
    best = 0.0
    for _ in range(rounds):
        start = time.perf_counter()
        pages = read(path)
        best = max(best, pages / (time.perf_counter() - start))
    return best


def main() -> None:
    """Print the figures of each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for path in arguments.files:
        ours, plumber = (_best(read, path, arguments.rounds) for read in (_ours, _plumber))
        print(
            f"{path.name}: {ours:.1f} pages/s, pdfplumber {plumber:.1f} pages/s, ratio {ours / plumber:.1f}"
        )


if __name__ == "__main__":
    main()
