"""Pages per second of ingesting PDF beside pdfplumber with a SentenceTransformer, in one run.

    python -m benchmarks.pdf_ingestion [FILE.pdf…] [--rounds 2] [--models FOLDER]

Ours is the whole way of a file: stored, parsed in a worker process with layout, headings and tables,
split, embedded, committed and indexed. The rival is what tutorials write: pdfplumber's text of each
page, LangChain's recursive splitter with the same chunk size, `SentenceTransformer.encode` of the
same model, a flat FAISS index in memory. Both have their models loaded and their libraries imported.
They take turns; besides the time on the clock, processor time of all processes is printed, which other
work hardly touches. Without files it is the manual among the samples. Ours is measured twice: with the
pictures on the pages left unread, as the rival leaves them, and with their text recognised. `--models`
keeps the converted models for the next run.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageDraw

from app.bench.process_tree import processor_seconds
from app.composition import build_service
from app.settings import load_settings
from models.e5_conversion import ensure_default_model

Took = tuple[float, float]
PLAIN, READ, RIVAL = "ours", "ours with pictures read", "rival"
WARMING = "查询用的一句话。"
MANUAL = Path(__file__).parents[1] / "knowledge_base/samples/SG-200工业边缘网关用户手册.pdf"


def _timed(run: Callable[[], int]) -> tuple[int, Took]:
    wall, processor = time.perf_counter(), processor_seconds()
    pages = run()
    return pages, (time.perf_counter() - wall, processor_seconds() - processor)


def ours(path: Path, folder: Path, models: Path, *, pictures: bool) -> tuple[int, Took]:
    """Ingest the file into an empty data folder; its pages, and the time it took.

    Without `pictures` those on its pages are left unread, as the rival leaves them.
    """
    settings = load_settings()
    ocr = settings.ocr.model_copy(update={"enabled": pictures})
    service = build_service(
        settings.model_copy(update={"data_dir": folder, "models_dir": models, "ocr": ocr})
    )
    try:
        service.create_knowledge_base("warm")
        files = [service.store("warm.pdf", [_page()])]
        if pictures:
            files.append(service.store("warm.png", [_picture()]))
        service.ingest("warm", files)
        service.create_knowledge_base("measured")

        def run() -> int:
            (result,) = service.ingest("measured", [service.store(path.name, [path.read_bytes()])])
            if result.document is None:
                raise SystemExit(f"{path.name} is {result.state}")
            return result.document.pages

        return _timed(run)
    finally:
        service.close()


def _page() -> bytes:
    """A PDF with a sentence, to have what reads PDF imported and the embedder loaded."""
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file)
    canvas.drawString(72, 720, "A sentence to warm up with.")
    canvas.save()
    return file.getvalue()


def _picture() -> bytes:
    """A picture with some lines, to have the recogniser loaded and its memory taken."""
    picture = Image.new("RGB", (1_200, 800), "white")
    for line in range(10):
        ImageDraw.Draw(picture).text(
            (40, 30 + 75 * line), "warming " * (1 + line % 5), fill="black", font_size=40
        )
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def rival(path: Path, model: Any) -> tuple[int, Took]:
    """The same with pdfplumber, SentenceTransformer and FAISS."""
    import faiss
    import pdfplumber
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = load_settings().splitter
    cut = RecursiveCharacterTextSplitter(chunk_size=splitter.chunk_size, chunk_overlap=splitter.overlap)

    def run() -> int:
        with pdfplumber.open(path) as pdf:
            texts = [page.extract_text() for page in pdf.pages]
        chunks = [chunk for text in texts for chunk in cut.split_text(text)]
        vectors = model.encode(chunks, prompt_name="document")
        faiss.IndexFlatIP(vectors.shape[1]).add(vectors)
        return len(texts)

    return _timed(run)


def main() -> None:
    """Print the figures of each file."""
    from sentence_transformers import SentenceTransformer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[MANUAL])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--models", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models = arguments.models or folder / "models"
        model = SentenceTransformer(str(ensure_default_model(models)), device="cpu")
        model.encode([WARMING], prompt_name="document")
        for path in arguments.files:
            pages = 0
            best: dict[str, Took] = {}
            for number in range(1, arguments.rounds + 1):
                for name, run in (
                    (PLAIN, partial(ours, path, folder / f"{path.stem}-{number}", models, pictures=False)),
                    (READ, partial(ours, path, folder / f"{path.stem}-{number}-ocr", models, pictures=True)),
                    (RIVAL, partial(rival, path, model)),
                ):
                    pages, took = run()
                    best[name] = min(best.get(name, took), took)
                    print(
                        f"    {number}, {name}: {took[0]:.1f} s, {took[1]:.1f} s of processor time",
                        flush=True,
                    )
            their_wall, their_processor = best[RIVAL]
            print(f"{path.name}: {RIVAL} {pages / their_wall:.2f} pages/s")
            for name in (PLAIN, READ):
                wall, processor = best[name]
                print(
                    f"{path.name}: {name} {pages / wall:.2f} pages/s, ratio {their_wall / wall:.2f} by the "
                    f"clock, {their_processor / processor:.2f} by processor time"
                )


if __name__ == "__main__":
    main()
