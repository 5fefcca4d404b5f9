"""From files to answers: the whole way, beside a plain LangChain chain, on the same documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.bench import rivals
from app.bench.measuring import Progress, Stopwatch, in_a_process, latencies, rounded
from app.bench.process_tree import TreeMemory, processor_seconds
from app.composition import build_service
from app.settings import Settings, load_settings
from models.e5_conversion import ensure_default_model

ASKED = 30
"""Questions that are timed."""
_BASE = "measured"
_WARMING = "先读一句话，好让模型就绪。".encode()


def write_passages(passages: Sequence[str], folder: Path, count: int) -> list[Path]:
    """`count` small text files, a passage each; told apart by a number from the second round on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        path = folder / f"{number:06}.txt"
        turn = number // len(passages)
        text = passages[number % len(passages)] + (f"\n第{turn}版" if turn else "")
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def measure_pipeline(
    paths: Sequence[Path], questions: Sequence[str], *, models: Path, progress: Progress
) -> dict[str, Any]:
    """Take in the files and ask, ours and the rival, each in a process of its own with its model loaded.

    Seconds, milliseconds and MB of the whole tree of processes. Ours reads layout, tables and
    pictures, stores durably and answers with a quoted sentence; the rival keeps text in memory and
    ends at the passages that a language model would be given.
    """
    asked = questions[:ASKED]
    progress(f"{len(paths)} files: ours")
    ours = in_a_process(_measure_ours, paths, asked, models)
    result: dict[str, Any] = {"size": len(paths), **ours}
    if not rivals.missing():
        progress(f"{len(paths)} files: LangChain")
        theirs = in_a_process(_measure_rival, paths, asked, models)
        result |= {f"langchain_{name}": value for name, value in theirs.items()}
        result["ingest_ratio"] = theirs["ingest_s"] / ours["ingest_s"]
        result["ingest_cpu_ratio"] = theirs["ingest_cpu_s"] / ours["ingest_cpu_s"]
    return rounded(result)


def _measure_ours(paths: Sequence[Path], questions: Sequence[str], models: Path) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        service = build_service(load_settings({"data_dir": Path(folder), "models_dir": models}))
        try:
            service.warm_up()
            for name in ("warm", _BASE):
                service.create_knowledge_base(name)
            service.ingest("warm", [service.store("warm.txt", [_WARMING])])

            def take_in() -> tuple[int, int]:
                files = [service.store(path.name, [path.read_bytes()], check=False) for path in paths]
                taken = service.ingest(_BASE, files)
                failed = [file.name for file in taken if file.document is None]
                if failed:
                    raise ValueError(f"not taken in: {', '.join(failed)}")
                documents = service.documents(_BASE)
                return sum(d.pages for d in documents), sum(d.chunks for d in documents)

            return _measured(take_in, lambda question: service.ask(question, [_BASE]), questions)
        finally:
            service.close()


def _measure_rival(paths: Sequence[Path], questions: Sequence[str], models: Path) -> dict[str, Any]:
    chain = langchain_pipeline(models)

    def take_in() -> tuple[int, int]:
        counts = [chain.add(path) for path in paths]
        return sum(pages for pages, _ in counts), sum(pieces for _, pieces in counts)

    return _measured(take_in, chain.ask, questions)


def langchain_pipeline(models: Path, settings: Settings | None = None) -> rivals.LangChainPipeline:
    """The rival with our model and our size of chunks, its model warm."""
    splitter = (settings or load_settings()).splitter
    chain = rivals.LangChainPipeline(
        ensure_default_model(models), chunk_size=splitter.chunk_size, overlap=splitter.overlap
    )
    chain.warm_up()
    return chain


def _measured(
    take_in: Callable[[], tuple[int, int]], ask: Callable[[str], object], questions: Sequence[str]
) -> dict[str, Any]:
    memory = TreeMemory()
    processor = processor_seconds()
    with Stopwatch() as watch:
        pages, chunks = take_in()
    result: dict[str, Any] = {
        "pages": pages,
        "chunks": chunks,
        "ingest_s": watch.seconds,
        "ingest_cpu_s": processor_seconds() - processor,
        "pages_per_s": pages / watch.seconds,
        "chunks_per_s": chunks / watch.seconds,
    }
    result |= latencies({"ask": lambda i: ask(questions[i])}, len(questions), rounds=1)
    memory.close()
    return result | {"memory_mb": max(memory.peak, memory.now()) / 1e6}
