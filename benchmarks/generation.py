"""Speed of generation with random weights beside the limit that memory sets, in one run.

    python -m benchmarks.generation [--shape small|chatglm3-6b|baichuan2-7b|baichuan2-13b] [--device cpu|cuda]

Each token of one stream needs every weight once (of the word table only a row), so one stream can
make at most bandwidth / weights tokens a second; the bandwidth is that of copying a large block in
the same run. Plain `generate()` with a batch is the rival of continuous batching with as many
requests at once. Only speeds are measured: the weights are random, and say nothing.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from models.batched_generation import BatchedGenerator

_GLM = {
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "vocab_size": 65024,
}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "small": (
        "glm",
        {
            **_GLM,
            "hidden_size": 512,
            "intermediate_size": 1712,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "vocab_size": 8000,
        },
    ),
    "chatglm3-6b": (
        "glm",
        {
            **_GLM,
            "hidden_size": 4096,
            "intermediate_size": 13696,
            "num_hidden_layers": 28,
            "num_attention_heads": 32,
        },
    ),
    "baichuan2-7b": (
        "llama",
        {
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 4096,
            "vocab_size": 125696,
        },
    ),
    "baichuan2-13b": (
        "alibi_llama",
        {
            "hidden_size": 5120,
            "intermediate_size": 13696,
            "num_hidden_layers": 40,
            "num_attention_heads": 40,
            "max_position_embeddings": 4096,
            "vocab_size": 125696,
        },
    ),
}
PROMPT = 32


def main() -> None:
    """Print the table of one shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of each stream")
    parser.add_argument("--prefill", type=int, default=4096, help="tokens of the long prompt")
    parser.add_argument("--rounds", type=int, default=3, help="the median counts")
    arguments = parser.parse_args()
    model = random_model(arguments.shape, arguments.device)
    weights = read_per_token(model)
    copied = bandwidth(arguments.device)
    limit = copied / weights
    name = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "processor"
    print(f"{arguments.shape} on {name}, {model.dtype}, torch {torch.__version__}")
    print(
        f"{weights / 1e9:.2f} GB of weights a token, {copied / 1e9:.0f} GB/s: at most {limit:.1f} tokens/s\n"
    )
    runs: dict[str, Callable[[int, int], None]] = {"generate()": lambda n, new: plain(model, n, new)}
    if arguments.device.startswith("cuda"):
        runs["generate(), static cache"] = lambda n, new: plain(model, n, new, cache_implementation="static")
    batched = BatchedGenerator(
        model,
        SimpleNamespace(pad_token_id=0, eos_token_id=None),
        capacity=max(arguments.batches),
        context_tokens=PROMPT + arguments.tokens + 1,
        temperature=0.0,
    )
    runs["continuous batching"] = lambda n, new: concurrent(batched, model, n, new)
    print(f"{'tokens/s, all streams together':32}" + "".join(f"{n:>12}" for n in arguments.batches))
    for label, run in runs.items():
        speeds = [
            decoding_speed(run, n, arguments.tokens, arguments.rounds, arguments.device)
            for n in arguments.batches
        ]
        print(f"{label:32}" + "".join(f"{speed:12.1f}" for speed in speeds), flush=True)
        print(f"{'  of the limit / of one stream':32}{speeds[0] / limit:12.0%}", end="")
        print("".join(f"{speed / speeds[0]:11.1f}x" for speed in speeds[1:]))
    batched.close()
    took = median(lambda: prefill(model, arguments.prefill), arguments.rounds, arguments.device)
    print(f"\nprompt of {arguments.prefill} tokens: {arguments.prefill / took:.0f} tokens/s")


def random_model(shape: str, device: str) -> Any:
    """A model of that shape, in bfloat16 where the device computes with it, else in fp32."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from models.causal_loader import has_bfloat16
    from models.checkpoints.registration import register

    register()
    kind, sizes = SHAPES[shape]
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(kind, **tokens, **sizes)
    half = device != "cpu" or has_bfloat16()
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if half else torch.float32)
    model.generation_config.eos_token_id = None
    return model.eval().requires_grad_(False)


def read_per_token(model: Any) -> int:
    """Bytes of weights that a token needs: all but the word table."""
    total = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    table = model.get_input_embeddings().weight
    return int(total - table.numel() * table.element_size())


def bandwidth(device: str, size: int = 1 << 29) -> float:
    """Bytes a second that are read and written when a block of `size` is copied."""
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / median(lambda: target.copy_(source), 9, device)


def median(run: Callable[[], object], rounds: int, device: str) -> float:
    """Median time of a call in seconds, after one that is not counted."""
    taken = []
    for _ in range(rounds + 1):
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def decoding_speed(
    run: Callable[[int, int], None], streams: int, tokens: int, rounds: int, device: str
) -> float:
    """Tokens a second beyond the prompt: a long run's time less that of a short one."""
    short = 4
    long_run = median(lambda: run(streams, short + tokens), rounds, device)
    short_run = median(lambda: run(streams, short), rounds, device)
    return streams * tokens / (long_run - short_run)


def prompts(model: Any, streams: int, length: int) -> torch.Tensor:
    """Random ids [streams, length], other ones for each stream."""
    return torch.randint(10, model.config.vocab_size, (streams, length), device=model.device)


@torch.inference_mode()
def plain(model: Any, streams: int, tokens: int, **options: Any) -> None:
    """One batch with `generate()`."""
    ids = prompts(model, streams, PROMPT)
    model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        **options,
    )


def concurrent(batched: BatchedGenerator, model: Any, streams: int, tokens: int) -> None:
    """So many requests at once, as the service sends them."""

    def read(ids: list[int]) -> None:
        made = sum(token is not None for token in batched.tokens(ids, max_tokens=tokens, temperature=0.0))
        if made != tokens:
            raise RuntimeError(f"{made} tokens instead of {tokens}")

    threads = [threading.Thread(target=read, args=(ids,)) for ids in prompts(model, streams, PROMPT).tolist()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@torch.inference_mode()
def prefill(model: Any, length: int) -> None:
    """Read one prompt."""
    model(prompts(model, 1, length), logits_to_keep=1)


if __name__ == "__main__":
    main()
