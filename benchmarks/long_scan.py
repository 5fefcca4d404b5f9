"""Memory and speed of a long scan through the process that parses, cancelling, and what is left behind.

    python -m benchmarks.long_scan [--pages 400] [--seconds 480] [--threads 2]

The scan is made of pages of different fonts, sizes and resolutions. Memory is the resident memory of
this process and all its children added up, twice a second. After `--seconds` the scan is cancelled,
which is timed; then 20 short scans are read, and the memory of the workers is measured again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from app.bench.process_tree import TreeMemory
from benchmarks.scans import layouts
from benchmarks.scans.faces import FACES, missing_packages
from benchmarks.scans.office_texts import PROSE, TABLES
from benchmarks.scans.sheet import Sheet
from benchmarks.scans.wear import Wear
from loaders.base import TextRecogniser
from loaders.errors import LoadingCancelledError
from loaders.isolation import IsolatedParser
from models.ocr import PaddleOcrEngine

DISTINCT = 24
FURTHER = 20


def _engine(threads: int, folder: Path) -> TextRecogniser:
    return PaddleOcrEngine(cache_dir=folder, threads=threads)


def make_scan(path: Path, pages: int) -> None:
    """Write a PDF of pictures of pages; after some, the same pictures come again."""
    random = np.random.default_rng(7)
    pictures: list[Image.Image] = []
    for number in range(min(DISTINCT, pages)):
        dpi = (150, 200, 300)[number % 3]
        sheet = Sheet(FACES[number % len(FACES)], size=(9.0, 10.5, 12.0)[number % 3], dpi=dpi)
        if number % 4 == 3:
            layouts.table(sheet, TABLES[number % len(TABLES)], ruled=True)
        else:
            layouts.prose(sheet, PROSE[number % len(PROSE)].title, PROSE[number % len(PROSE)].paragraphs * 2)
        wear = Wear(skew=float(random.uniform(-1, 1)), noise=6, blur=0.2, quality=60)
        pictures.append(wear.apply(sheet.image, dpi, random))
    pages_in_order = [pictures[number % len(pictures)] for number in range(pages)]
    pages_in_order[0].save(path, save_all=True, append_images=pages_in_order[1:], quality=60, resolution=200)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if missing := missing_packages():
        parser.exit(1, f"Fonts are missing: apt-get install {' '.join(missing)}\n")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, pages in (("long.pdf", arguments.pages), ("short.pdf", 1)):
            # In a process of its own, so that the memory of drawing is not counted.
            drawing = multiprocessing.get_context("spawn").Process(
                target=make_scan, args=(folder / name, pages)
            )
            drawing.start()
            drawing.join()
        memory = TreeMemory()
        with IsolatedParser(
            partial(_engine, arguments.threads, folder / "models"), memory_bytes=3 << 30
        ) as parsing:
            before, read, asked = memory.now(), 0, 0.0
            start = time.perf_counter()

            def cancelled() -> bool:
                nonlocal asked
                over: bool = time.perf_counter() - start > arguments.seconds
                if over and not asked:
                    asked = time.perf_counter()
                return over

            try:
                for _ in parsing.pages(folder / "long.pdf", name="long.pdf", cancelled=cancelled):
                    read += 1
                    if read % 25 == 0:
                        print(
                            f"{read} pages, {memory.now() >> 20} MB now, {memory.peak >> 20} MB at most",
                            flush=True,
                        )
                ended = "read to its end"
            except LoadingCancelledError:
                ended = f"cancelled in {time.perf_counter() - asked:.2f} s"
            seconds = time.perf_counter() - start
            print(f"{read} pages, {ended}: {read / seconds:.2f} pages/s, {memory.peak >> 20} MB at most")
            print(f"{before >> 20} MB before, {memory.now() >> 20} MB after")
            for _ in range(FURTHER):
                for _ in parsing.pages(folder / "short.pdf", name="short.pdf"):
                    pass
            print(f"{memory.now() >> 20} MB after {FURTHER} more files, {memory.peak >> 20} MB at most")
        memory.close()


if __name__ == "__main__":
    main()
