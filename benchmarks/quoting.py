"""Measures the quoting answerer on question sets in SQuAD format, and trains its weights.

    python -m benchmarks.quoting FILE...                 evaluate with the weights of the package
    python -m benchmarks.quoting FILE... --cross         train on all files but one, evaluate on that one
    python -m benchmarks.quoting FILE... --train         train on all files and write the weights

The passages of a file are split and put into one keyword index; a question is answered from the
chunks that it retrieves, so a passage that is not found counts as a failure. An answer counts as
quoted when its text stands in the quotes, put one after the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.answering import quoting
from app.answering.sentence_features import Question, features
from app.answering.sentences import sentences_of
from knowledge_base.types import Hit
from loaders.document import Block, ParsedDocument, Section
from loaders.splitter import ChineseTextSplitter
from vectorstore.chinese import fold, terms
from vectorstore.keyword import KeywordIndex

WEIGHTS = Path(quoting.__file__).with_name("quoting_weights.json")
PENALTY = 1e-3


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answers' texts, what was found for it, and which spans hold the answer."""

    question: str
    answers: tuple[str, ...]
    hits: tuple[Hit, ...]
    places: tuple[tuple[tuple[int, int], ...], ...]
    """For each hit, the spans of the answers in its text."""


def read(path: Path, *, limit: int | None = None) -> list[Asked]:
    """Retrieve for every answerable question of a file."""
    passages = [p for entry in json.loads(path.read_text("utf-8"))["data"] for p in entry["paragraphs"]]
    chunks: list[tuple[int, int, int, str]] = []
    for number, passage in enumerate(passages):
        text = passage["context"]
        document = ParsedDocument(text, (Section(0, len(text), Block(text), None),), 1)
        chunks += [(number, c.start, c.end, c.text) for c in ChineseTextSplitter().split(document)]
    index = KeywordIndex()
    index.add(range(len(chunks)), [chunk[3] for chunk in chunks])
    asked = []
    for number, passage in enumerate(passages):
        for qa in passage["qas"]:
            answers = [answer for answer in qa["answers"] if answer["text"]]
            if not answers or not qa["question"].strip():
                continue
            found = index.search(list(dict.fromkeys(terms(fold(qa["question"])))), 5)
            hits, places = [], []
            for chunk_id, score in found:
                passage_number, start, _, text = chunks[chunk_id]
                name = str(passage_number)
                hits.append(Hit(score / found[0][1], 0.0, 0.0, "kb", name, name, chunk_id, None, text))
                spans = [
                    (a["answer_start"] - start, a["answer_start"] + len(a["text"]) - start) for a in answers
                ]
                places.append(tuple(spans) if passage_number == number else ())
            texts = tuple(answer["text"] for answer in answers)
            asked.append(Asked(qa["question"], texts, tuple(hits), tuple(places)))
    return asked[:limit]


def example(asked: Asked) -> tuple[list[dict[str, float]], np.ndarray]:
    """The features of the sentences at hand and, for each, its share of the answer (sum 1 or 0)."""
    hits = asked.hits[: quoting.HITS]
    sentences = sentences_of(hits)
    held = [any(low < s.end and high > s.start for low, high in asked.places[s.hit]) for s in sentences]
    share = np.array(held, dtype=np.float32)
    return features(Question(asked.question), sentences), share / max(1.0, share.sum())


def train(sets: Sequence[Sequence[tuple[list[dict[str, float]], np.ndarray]]]) -> dict[str, float]:
    """Fit a softmax over each question's sentences by maximum likelihood; every set weighs the same."""
    import torch

    names = sorted({name for examples in sets for rows, _ in examples for row in rows for name in row})
    column = {name: number for number, name in enumerate(names)}
    matrices, shares, weights = [], [], []
    for examples in sets:
        useful = [(rows, share) for rows, share in examples if share.sum() > 0]
        for rows, share in useful:
            matrix = np.zeros((len(rows), len(names)), np.float32)
            for number, row in enumerate(rows):
                for name, value in row.items():
                    matrix[number, column[name]] = value
            matrices.append(torch.from_numpy(matrix))
            shares.append(torch.from_numpy(share))
            weights.append(1 / len(useful))
    group = torch.cat([torch.full((len(m),), n) for n, m in enumerate(matrices)])
    stacked, target = torch.cat(matrices), torch.cat(shares)
    weight = torch.tensor(weights) / sum(weights)
    spread = stacked.std(0) + 1e-6
    scaled = stacked / spread
    parameters = torch.zeros(len(names), requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        score = scaled @ parameters
        top = torch.full((len(weight),), -torch.inf).scatter_reduce(0, group, score.detach(), "amax")
        total = torch.zeros(len(weight)).scatter_add(0, group, torch.exp(score - top[group]))
        log_probability = score - (torch.log(total) + top)[group]
        loss = -(target * log_probability * weight[group]).sum() + PENALTY * (parameters**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return {
        name: round(float(value), 4)
        for name, value in zip(names, parameters.detach() / spread, strict=True)
        if abs(float(value)) > 1e-6
    }


def evaluate(asked: Sequence[Asked]) -> dict[str, float]:
    """Quote for every question; lengths are in characters, times in milliseconds."""
    contained, lengths, counts, seconds = [], [], [], []
    kinds = defaultdict(list)
    for one in asked:
        started = time.perf_counter()
        quotes = quoting.quote(one.question, one.hits)
        seconds.append(time.perf_counter() - started)
        text = "".join(found.text for found in quotes)
        contained.append(any(answer in text for answer in one.answers))
        kinds[Question(one.question).type.kind].append(contained[-1])
        lengths.append(len(text))
        counts.append(len(quotes))
    result = {
        "questions": len(asked),
        "contained": statistics.mean(contained),
        "characters": statistics.mean(lengths),
        "most_characters": max(lengths),
        "quotes": statistics.mean(counts),
        "ms_median": statistics.median(seconds) * 1e3,
        "ms_p95": statistics.quantiles(seconds, n=20)[-1] * 1e3,
    }
    result.update({f"contained:{kind}": statistics.mean(values) for kind, values in sorted(kinds.items())})
    return {name: round(value, 4) for name, value in result.items()}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, help="questions of each file that are used")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--cross", action="store_true")
    mode.add_argument("--train", action="store_true")
    arguments = parser.parse_args()
    sets = {path: read(path, limit=arguments.limit) for path in arguments.files}
    if arguments.train or arguments.cross:
        examples = {path: [example(one) for one in asked] for path, asked in sets.items()}
    if arguments.train:
        write(train(list(examples.values())))
    for path, asked in sets.items():
        if arguments.cross:
            learned = train([examples[other] for other in sets if other != path])
            quoting.load_weights = lambda learned=learned: learned  # type: ignore[assignment]
        print(json.dumps({"file": path.name, **evaluate(asked)}, ensure_ascii=False))


def write(weights: dict[str, float]) -> None:
    """Write the weights into the package."""
    WEIGHTS.write_text(json.dumps({"weights": weights}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
