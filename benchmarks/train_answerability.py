"""Trains the reader of question and passage on question sets in SQuAD format.

    python -m benchmarks.train_answerability SET... --out FILE [--half 0]

Matrices of rank 16 are added to those of the embedder's upper six layers, which learn with a linear
head whether a text answers, and with another where the answer stands; the second is not kept. With
`--half`, only the articles of that half are learnt, so that `benchmarks.calibrate_answerability` can
measure on the other. Takes 40 minutes on two cores with AMX, half of the articles 20, and 3 GB below --cache.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModel

from benchmarks.answerability_pairs import Pair, find, pairs
from models.answerability import PAIR, pair
from models.e5_conversion import PROMPTS, ensure_default_model

LAYER = 6
"""The first of the layers that learn; what those below make of a pair is computed once."""
RANK, EPOCHS, BATCH, RATE, DROPPED = 16, 3, 32, 1e-3, 0.1
PLACE = 0.5
"""What finding the answer's place counts beside telling that it is there."""
_MATRICES = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "intermediate.dense": "fi",
    "output.dense": "fo",
}


class Tokens:
    """The pairs as token ids, and from where to where the answer stands, (-1, -1) without one."""

    def __init__(self, folder: Path, rows: Sequence[Pair]) -> None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.ids: list[list[int]] = []
        self.places: list[tuple[int, int]] = []
        for row in rows:
            asked = tokenizer.encode(PROMPTS["query"] + row.question)
            read = tokenizer.encode(PROMPTS["document"] + row.text)
            self.ids.append(pair(asked.ids, read.ids))
            self.places.append(_place(row, read.offsets, len(self.ids[-1]), len(asked.ids)))
        self.lengths = np.array([len(ids) for ids in self.ids])


def _place(row: Pair, offsets: Sequence[tuple[int, int]], length: int, before: int) -> tuple[int, int]:
    if not row.answers:
        return -1, -1
    answer = min(row.answers, key=len)
    start = len(PROMPTS["document"]) + row.text.index(answer)
    # The passage follows the question and one more end, without its own beginning.
    covered = [
        before + place
        for place, (a, b) in enumerate(offsets)
        if a < start + len(answer) and b > start and 0 < before + place < length - 1
    ]
    return (covered[0], covered[-1]) if covered else (-1, -1)


class LowRank(nn.Module):
    """A linear layer and what is added to its matrix, which alone learns."""

    def __init__(self, linear: nn.Linear, noise: Noise) -> None:
        super().__init__()
        self.linear, self.noise = linear, noise
        self.a = nn.Parameter(torch.randn(RANK, linear.in_features) / math.sqrt(linear.in_features))
        self.b = nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output with the addition."""
        added = (self.noise(x) @ self.a.T.to(x.dtype)) @ self.b.T.to(x.dtype)
        return self.linear(x) + added


class Noise:
    """Dropout from a store of random numbers: drawing them anew takes longer than the layers on a CPU."""

    def __init__(self) -> None:
        kept = torch.rand(1 << 25) >= DROPPED
        self.store = kept.to(torch.bfloat16) / (1 - DROPPED)
        self.on = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """`x` with some of it put out, while `on`."""
        if not self.on:
            return x
        start = int(torch.randint(0, len(self.store) - x.numel(), (1,)))
        return x * self.store[start : start + x.numel()].view(x.shape)


class Trainee:
    """The embedder's layers with what they learn."""

    def __init__(self, folder: Path, tokens: Tokens, cache: Path) -> None:
        net = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
        for parameter in net.parameters():
            parameter.requires_grad = False
        self.tokens, self.noise = tokens, Noise()
        self.starts = np.concatenate([[0], np.cumsum(tokens.lengths)])
        self.states = self._lower(net, cache)
        self.upper = net.encoder.layer[LAYER:].to(torch.bfloat16)
        self.added: dict[str, LowRank] = {}
        for number, layer in enumerate(self.upper, LAYER):
            for path, short in _MATRICES.items():
                parent, _, name = path.rpartition(".")
                module = layer.get_submodule(parent)
                self.added[f"l{number}.{short}"] = LowRank(getattr(module, name), self.noise)
                setattr(module, name, self.added[f"l{number}.{short}"])
        hidden = net.config.hidden_size
        self.head, self.edges = nn.Linear(2 * hidden, 1), nn.Linear(hidden, 2)

    def parameters(self) -> list[nn.Parameter]:
        """What learns."""
        low = [parameter for one in self.added.values() for parameter in (one.a, one.b)]
        return [*low, *self.head.parameters(), *self.edges.parameters()]

    def _lower(self, net: Any, cache: Path) -> np.ndarray:
        """The states below the layers that learn: float16 of shape (tokens of all pairs, hidden)."""
        shape = (int(self.starts[-1]), net.config.hidden_size)
        kept = np.lib.format.open_memmap(cache / "states.npy", mode="w+", dtype=np.float16, shape=shape)
        order = np.argsort(self.tokens.lengths)
        for begin in range(0, len(order), 2 * BATCH):
            batch = order[begin : begin + 2 * BATCH]
            ids = torch.zeros(len(batch), int(self.tokens.lengths[batch].max()), dtype=torch.long)
            for row, number in enumerate(batch):
                ids[row, : self.tokens.lengths[number]] = torch.tensor(self.tokens.ids[number])
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                states = net.embeddings(input_ids=ids)
                for layer in net.encoder.layer[:LAYER]:
                    states = _states(layer(states, attention_mask=self._hidden(batch)))
            for row, number in enumerate(batch):
                at = self.starts[number]
                length = self.tokens.lengths[number]
                kept[at : at + length] = states[row, :length].float().numpy()
        return kept

    def _hidden(self, batch: np.ndarray) -> torch.Tensor:
        """What is added to attention, so that nothing beyond a text's end is seen."""
        lengths = torch.tensor(self.tokens.lengths[batch])
        beyond = torch.arange(int(lengths.max()))[None] >= lengths[:, None]
        return (beyond * -1e4)[:, None, None, :].to(torch.bfloat16)

    def __call__(self, batch: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of shape (n,), and those of each token to begin and to end the answer, (n, tokens, 2)."""
        states = torch.zeros(len(batch), int(self.tokens.lengths[batch].max()), self.states.shape[1])
        for row, number in enumerate(batch):
            length = self.tokens.lengths[number]
            at = self.starts[number]
            states[row, :length] = torch.from_numpy(self.states[at : at + length].astype(np.float32))
        hidden = self._hidden(batch)
        x = self.noise(states.to(torch.bfloat16))
        for layer in self.upper:
            x = _states(layer(x, attention_mask=hidden))
        x = x.float()
        seen = (hidden[:, 0, 0, :, None] == 0).float()
        mean = (x * seen).sum(1) / seen.sum(1)
        return self.head(torch.cat([x[:, 0], mean], -1)).squeeze(-1), self.edges(x) - (1 - seen) * 1e4

    def content(self) -> dict[str, np.ndarray]:
        """What `models.answerability` reads."""
        matrices = {
            f"{name}.{part}": getattr(one, part).detach().numpy().astype(np.float16)
            for name, one in self.added.items()
            for part in ("a", "b")
        }
        bias = self.head.bias.detach().numpy()
        return {**matrices, "head": self.head.weight.detach().numpy(), "head.bias": bias}


def _states(output: Any) -> torch.Tensor:
    found: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return found


def train(model: Trainee, rows: Sequence[Pair], chosen: np.ndarray) -> None:
    """Go over the chosen rows `EPOCHS` times; the hard ones count twice."""
    tokens = model.tokens
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    steps = EPOCHS * math.ceil(len(chosen) / BATCH) + 1
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    model.noise.on = True
    for epoch in range(EPOCHS):
        rng = np.random.default_rng(epoch)
        order = chosen[np.argsort(tokens.lengths[chosen] + rng.normal(0, 12, len(chosen)))]
        batches = [order[begin : begin + BATCH] for begin in range(0, len(order), BATCH)]
        rng.shuffle(batches)
        losses = []
        for batch in batches:
            logits, edges = model(batch)
            labels = torch.tensor([float(rows[number].label) for number in batch])
            counts = torch.tensor([2.0 if rows[number].hard else 1.0 for number in batch])
            found = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
            loss = (found * counts).mean()
            losses.append(loss.item())
            placed = [row for row, number in enumerate(batch) if tokens.places[number][0] >= 0]
            if placed:
                places = torch.tensor([tokens.places[batch[row]] for row in placed])
                begins = functional.cross_entropy(edges[placed, :, 0], places[:, 0])
                ends = functional.cross_entropy(edges[placed, :, 1], places[:, 1])
                loss = loss + PLACE * (begins + ends) / 2
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            pace.step()
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f} over {len(batches)} batches", flush=True)
    model.noise.on = False


def main() -> None:
    """Train and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--every", type=int, default=1, help="only every so many pairs, for a trial")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/calibrate"))
    parser.add_argument("--models", type=Path, default=Path("data/models"))
    options: Any = parser.parse_args()
    torch.manual_seed(0)
    sets = find(options.sets, cache=options.cache, models=options.models)
    rows = [row for found in sets for row in pairs(found)][:: options.every]
    folder = ensure_default_model(options.models)
    chosen = np.array([n for n, row in enumerate(rows) if options.half in (None, row.half)])
    print(f"{len(chosen)} of {len(rows)} pairs, at most {PAIR} tokens each", flush=True)
    model = Trainee(folder, Tokens(folder, rows), options.cache)
    train(model, rows, chosen)
    np.savez_compressed(options.out, **model.content())


if __name__ == "__main__":
    main()
