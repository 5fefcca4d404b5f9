"""What all measurements share: latencies, memory, and a process of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

Progress = Callable[[str], None]
"""Told in a few words what is being measured."""


def latencies(tasks: Mapping[str, Callable[[int], object]], questions: int, *, rounds: int) -> dict[str, Any]:
    """Median and 95th percentile of each task over all questions, in milliseconds.

    By the clock, and (`…_cpu_ms`) by the time of this process on the processors, which others hardly
    touch. The tasks take turns, round by round, so that a busy moment slows all of them.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            for question in range(questions):
                clock, processor = time.perf_counter(), time.process_time()
                task(question)
                taken[name].append((time.perf_counter() - clock, time.process_time() - processor))
    figures = {}
    for name, seconds in taken.items():
        for share, label in ((0.5, "p50"), (0.95, "p95")):
            clock, processor = np.quantile(seconds, share, axis=0) * 1e3
            figures[f"{name}_{label}_ms"] = float(clock)
            figures[f"{name}_{label}_cpu_ms"] = float(processor)
    return figures


class Stopwatch:
    """Adds up the time spent inside its `with` blocks, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start


def memory_mb() -> float:
    """Memory that this process holds now, in MB; where that cannot be told, the most it has held."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    if sys.platform == "win32":
        return float("nan")
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


def in_a_process(
    task: Callable[_Arguments, _Result], *arguments: _Arguments.args, **options: _Arguments.kwargs
) -> _Result:
    """Run `task` in a fresh process, so that its memory is its own; its exception is raised here."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(task, *arguments, **options).result()


def growth_exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """The b of values ≈ a · sizes^b, by least squares of the logarithms; None for less than two sizes.

    Below 1 a cost grows slower than the collection.
    """
    if len(set(sizes)) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures with four significant digits."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in figures.items()
    }
