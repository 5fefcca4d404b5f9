"""All measurements one after the other, and a report of them with tables and plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from app.bench import rivals
from app.bench.collection import SAMPLES, Source, read_texts
from app.bench.embedding import measure_embedding
from app.bench.indexing import measure_index
from app.bench.measuring import Progress, Stopwatch, rounded
from app.bench.pipeline import langchain_pipeline, measure_pipeline, write_passages
from app.bench.plot import BUILDING, CHATS, INGESTION, LATENCIES, Plot, draw
from app.bench.retrieval import measure_retrieval
from app.bench.rival_server import MODELS, STORE
from app.bench.serving import OURS, RIVAL, measure_serving
from app.bench.tables import exponents, markdown, misses
from app.composition import build_service
from app.machine import machine
from app.settings import load_settings

_BASE = "measured"
PDF = ("SG-200工业边缘网关用户手册.pdf",)
SCAN = ("停电检修通知-扫描件.pdf",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    sizes: tuple[int, ...] = (5_000, 20_000, 200_000)
    """Chunks in the index."""
    documents: tuple[int, ...] = (25, 100, 400)
    users: tuple[int, ...] = (1, 5, 20, 50)
    seconds: float = 20.0
    """How long each number of users asks."""
    passages: int = 128
    """To embed."""
    rounds: int = 3


QUICK = Extent(sizes=(1_000, 5_000), documents=(5, 20), users=(1, 5), seconds=3, passages=16, rounds=1)


def measure_all(
    source: Source, files: Sequence[Path], *, models: Path, extent: Extent, progress: Progress
) -> Iterator[tuple[str, Any]]:
    """Each measurement with its name, as soon as it is done.

    `files` are SQuAD files, none for the sample documents.
    """
    texts, questions = read_texts(files)
    yield "machine", machine()
    yield "limits", _limits(source, extent.sizes)
    yield (
        "retrieval",
        [measure_retrieval(size, source, rounds=extent.rounds, progress=progress) for size in extent.sizes],
    )
    yield "index", [measure_index(size, source, progress=progress) for size in extent.sizes]
    passages = texts[: extent.passages]
    yield (
        "embedding",
        measure_embedding(passages, questions, models=models, rounds=extent.rounds, progress=progress),
    )
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        largest = write_passages(texts, folder / "documents", max(extent.documents))
        taken_in = partial(measure_pipeline, questions=questions, models=models, progress=progress)
        yield "documents", [taken_in(largest[:count]) for count in extent.documents]
        for name, documents in (("pdf", PDF), ("scan", SCAN)):
            yield name, taken_in([SAMPLES / document for document in documents])
        served = largest[: extent.documents[0]]
        yield from _serving(
            served, questions, folder, models=models, extent=extent, progress=progress
        ).items()


def _limits(source: Source, sizes: Sequence[int]) -> dict[str, float]:
    """How fast memory is read here, and the ms that one pass over all vectors takes at that speed."""
    block = np.ones(50_000_000, dtype=np.float32)
    block.sum()
    with Stopwatch() as watch:
        for _ in range(3):
            block.max()
    per_s = 3 * block.nbytes / watch.seconds
    row = source.vectors.shape[1] * 4
    passes = {f"one_pass_over_{size}_vectors_ms": size * row / per_s * 1e3 for size in sizes}
    return rounded({"memory_gb_per_s": per_s / 1e9, **passes})


def _serving(
    documents: Sequence[Path],
    questions: Sequence[str],
    folder: Path,
    *,
    models: Path,
    extent: Extent,
    progress: Progress,
) -> dict[str, Any]:
    service = build_service(load_settings({"data_dir": folder / "data", "models_dir": models}))
    try:
        service.create_knowledge_base(_BASE)
        service.ingest(_BASE, [service.store(path.name, [path.read_bytes()]) for path in documents])
    finally:
        service.close()
    ours = {
        "ZHIWEN_DATA_DIR": str(folder / "data"),
        MODELS: str(models),
        "ZHIWEN_LIMITS__REQUESTS_PER_MINUTE": "1000000",  # one client stands for all users
    }
    measure = partial(
        measure_serving,
        questions=questions,
        knowledge_base=_BASE,
        users=extent.users,
        seconds=extent.seconds,
        progress=progress,
    )
    result = measure(OURS, ours)
    chats = result.pop("chats")
    if not rivals.missing():
        chain = langchain_pipeline(models)
        for path in documents:
            chain.add(path)
        chain.save(folder / "store")
        theirs = {STORE: str(folder / "store"), MODELS: str(models)}
        rival = measure(RIVAL, theirs)
        for row, other in zip(chats, rival.pop("chats"), strict=True):
            row |= {f"langchain_{name}": value for name, value in other.items() if name != "size"}
        result |= {f"langchain_{name}": value for name, value in rival.items()}
    return {"start": result, "chats": chats}


_PARTS: tuple[tuple[str, str, Plot | None], ...] = (
    ("limits", "What the machine allows", None),
    ("retrieval", "Search by chunks", LATENCIES),
    ("index", "Building and changing an index by chunks", BUILDING),
    ("embedding", "Embedding", None),
    ("documents", "Taking in and asking, by documents", INGESTION),
    ("pdf", "Taking in a PDF with a text layer", None),
    ("scan", "Taking in a scan (the rival finds no text in it)", None),
    ("start", "From a cold start to the first answer", None),
    ("chats", "Chats at once, by users", CHATS),
)


def write_report(measured: Mapping[str, Any], folder: Path) -> str:
    """Write the plots as SVG and `report.md` of what was measured into the folder; the report's text."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# Measurements", "", ", ".join(f"{key} {value}" for key, value in measured["machine"].items())]
    for name, title, plot in _PARTS:
        if name not in measured:
            continue
        found = measured[name]
        lines += ["", f"## {title}", ""]
        if isinstance(found, Mapping):
            lines += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in found.items())]
            continue
        lines.append(markdown(found))
        growth = ", ".join(f"{key} ~ n^{power}" for key, power in exponents(found).items())
        lines += ["", f"Growth: {growth}." if growth else "", *misses(found)]
        if plot is not None:
            (folder / f"{name}.svg").write_text(draw(plot, found), encoding="utf-8")
            lines += ["", f"![{title}]({name}.svg)"]
    text = "\n".join(lines) + "\n"
    (folder / "report.md").write_text(text, encoding="utf-8")
    return text
