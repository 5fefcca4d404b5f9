"""Character error rate of 60 scanned pages through the loader, and retrieval over them.

    python -m benchmarks.scan_accuracy ../shared/data/qa/cmrc2018_trial.json [--retrieval] [--out FOLDER]

Pages are set in six faces, 9 to 14 points, at 150, 200 and 300 dpi: prose, two columns, tables with
and without lines, forms, vertical text, red seals over the text, quarter turns; half of them clean,
half with skew up to 3 degrees, blur, noise, shade, specks and JPEG artefacts. The text is that of the
set's passages and of an invented company. Errors are counted between the parsed document's text and
what was drawn, in reading order, after `benchmarks.scans.errors.normalised`; the text of seals, which
is not in what was drawn, counts as an error where it is read.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from app.settings import load_settings
from benchmarks.scans.errors import edits, normalised
from benchmarks.scans.faces import missing_packages
from benchmarks.scans.pages import ScannedPage, read_passages, scanned_pages
from loaders.base import LoadOptions
from loaders.document import ParsedDocument
from loaders.registry import parse_file
from models.ocr import PaddleOcrEngine

CONTAINERS = ("pdf", "png", "tiff", "jpg")
DISTRACTORS = 150
K = 5


def save(page: ScannedPage, folder: Path) -> Path:
    """Write the page as PDF, PNG, TIFF or JPEG, in turn."""
    path = folder / f"scan-{page.number:02d}.{CONTAINERS[page.number % len(CONTAINERS)]}"
    if path.suffix == ".pdf":
        page.image.save(path, resolution=page.dpi, quality=92)
    elif path.suffix == ".jpg":
        page.image.save(path, quality=92, dpi=(page.dpi, page.dpi))
    else:
        page.image.save(path, dpi=(page.dpi, page.dpi))
    return path


def document_text(document: ParsedDocument) -> str:
    """Everything that was read, the headers of tables in their place."""
    parts = [part for section in document.sections for part in (section.block.header, section.block.text)]
    return "\n".join(part for part in parts if part)


def measure(pages: Sequence[ScannedPage], paths: Sequence[Path], *, threads: int, verbose: bool) -> None:
    """Print the error rates by kind and by wear, and the speed."""
    engine = PaddleOcrEngine(cache_dir=Path(TemporaryDirectory().name), threads=threads)
    engine.load()
    counts: dict[tuple[bool, str], list[tuple[int, int]]] = {}
    seconds = []
    for page, path in zip(pages, paths, strict=True):
        start = time.perf_counter()
        document = parse_file(path, name=path.name, options=LoadOptions(ocr=engine))
        seconds.append(time.perf_counter() - start)
        wanted, found = normalised(page.text), normalised(document_text(document))
        wrong = edits(wanted, found)
        counts.setdefault((page.worn, page.kind), []).append((wrong, len(wanted)))
        if verbose:
            state = "worn " if page.worn else "clean"
            problems = ",".join(problem.code for problem in document.problems)
            print(
                f"{page.number:3d} {state} {wrong / len(wanted):.4f} {seconds[-1]:5.1f} s "
                f"{page.kind:12s} {page.detail} {problems}",
                flush=True,
            )
    for worn in (False, True):
        mine = [pair for (was_worn, _), pairs in counts.items() if was_worn == worn for pair in pairs]
        print(f"{'worn' if worn else 'clean'}: {_rate(mine):.4f} over {len(mine)} pages, worst page", end=" ")
        print(f"{max(wrong / length for wrong, length in mine):.4f}")
        for (was_worn, kind), pairs in counts.items():
            if was_worn == worn:
                print(f"    {kind}: {_rate(pairs):.4f}")
    print(f"{len(pages) / sum(seconds):.2f} pages/s, median {statistics.median(seconds):.2f} s a page")


def _rate(pairs: Sequence[tuple[int, int]]) -> float:
    return sum(wrong for wrong, _ in pairs) / sum(length for _, length in pairs)


def recall(pages: Sequence[ScannedPage], paths: Sequence[Path], others: Sequence[str], folder: Path) -> float:
    """The share of the questions whose page is among the first five hits, `others` beside the pages."""
    from app.composition import build_service

    settings = load_settings()
    service = build_service(settings.model_copy(update={"data_dir": folder / "data"}))
    try:
        service.create_knowledge_base("scans")
        files = [service.store(path.name, [path.read_bytes()]) for path in paths]
        files += [service.store(f"passage-{n}.txt", [text.encode()]) for n, text in enumerate(others)]
        results = service.ingest("scans", files)
        print(Counter(result.state for result in results))
        # Some tables and forms stand on several pages, any of which answers.
        alike: dict[str, set[str]] = defaultdict(set)
        for page, path in zip(pages, paths, strict=True):
            alike[page.text].add(path.name)
        asked = found = 0
        for page in pages:
            for question in page.questions:
                retrieval = service.retrieve(question, ["scans"], top_k=K, threshold=0.0)
                asked += 1
                if any(hit.document in alike[page.text] for hit in retrieval.hits):
                    found += 1
                else:
                    print(f"not found: page {page.number}, {page.kind}, worn {page.worn}: {question}")
        print(f"{found} of {asked} questions")
        return found / asked
    finally:
        service.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path)
    parser.add_argument("--retrieval", action="store_true")
    parser.add_argument("--pages", type=int, nargs="*", help="numbers of the pages to read, all by default")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if missing := missing_packages():
        parser.exit(1, f"Fonts are missing: apt-get install {' '.join(missing)}\n")
    passages = read_passages(arguments.set)
    pages = [
        page
        for page in scanned_pages(passages, seed=arguments.seed)
        if not arguments.pages or page.number in arguments.pages
    ]
    with TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [save(page, folder) for page in pages]
        for page, path in zip(pages, paths, strict=True):
            path.with_suffix(".gold").write_text(page.text, encoding="utf-8")
        blank = Image.new("RGB", (1, 1))
        pages = [replace(page, image=blank) for page in pages]
        if arguments.retrieval:
            shown = "".join(page.text for page in pages)
            others = ["\n".join(item.paragraphs) for item in passages]
            others = [text for text in others if text[:20] not in shown][:DISTRACTORS]
            print(f"recall@{K} {recall(pages, paths, others, folder):.4f}")
        else:
            measure(pages, paths, threads=arguments.threads, verbose=arguments.verbose)


if __name__ == "__main__":
    main()
