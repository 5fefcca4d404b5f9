"""Several requests at one local model: the same answers, turns, stopping, and giving memory back."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage

from models.batched_generation import BatchedGenerator
from models.chat_spec import QUEUE_POSITION
from models.errors import ModelMemoryError, ModelTimeoutError, ModelUnavailableError
from models.generation import SingleGenerator, told
from models.transformers_chat import TransformersChatModel
from models.turns import Turns
from tests.models.tiny_models import save_llama

pytestmark = pytest.mark.slow

QUESTIONS = ["你好", "年假五天吗", "我们知道一二三四五", "问"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module", autouse=True)
def _quick_collections(folder: Path) -> Iterator[None]:
    """Unloading collects garbage, which takes seconds where all of torch is looked through each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def chat(folder: Path, request: pytest.FixtureRequest) -> Iterator[TransformersChatModel]:
    """A model that writes as many answers at once as the test says."""
    made = TransformersChatModel(
        folder=folder, device="cpu", max_tokens=12, context_tokens=600, concurrency=request.param, timeout=20
    )
    yield made
    made.unload()


def spoken(stream: Iterator[BaseMessage]) -> Iterator[str]:
    return (str(chunk.content) for chunk in stream if chunk.content)


@pytest.mark.parametrize("chat", [3], indirect=True)
def test_batched_answers_are_those_of_one_at_a_time(folder: Path, chat: TransformersChatModel) -> None:
    single = TransformersChatModel(folder=folder, device="cpu", max_tokens=12, concurrency=1)
    expected = [str(single.invoke(question).content) for question in QUESTIONS]
    assert isinstance(single._serve().generator, SingleGenerator)
    assert isinstance(chat._serve().generator, BatchedGenerator)
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        answers = list(pool.map(lambda question: str(chat.invoke(question).content), QUESTIONS))
    assert answers == expected
    assert all(expected)
    assert (chat.usage().active, chat.usage().waiting) == (0, 0)


@pytest.mark.parametrize("chat", [1, 2], indirect=True)
def test_leaving_ends_the_generation_within_two_tokens(chat: TransformersChatModel) -> None:
    generator = chat._serve().generator
    made: list[int] = []
    tokens = generator.tokens(chat._encoded([HumanMessage("你好")]), max_tokens=500, temperature=0.0)
    for token in tokens:
        if token is not None:
            made.append(token)
        if len(made) == 3:
            break
    tokens.close()  # type: ignore[attr-defined]
    if isinstance(generator, BatchedGenerator):
        assert generator._feeds == {}
        assert generator._manager.is_running()
    assert chat.bind(max_tokens=2).invoke("你好").content
    assert chat.usage().active == 0


@pytest.mark.parametrize("chat", [1, 2], indirect=True)
def test_an_event_ends_the_answer(chat: TransformersChatModel) -> None:
    chat.load()
    cancel = threading.Event()
    stream = spoken(chat.bind(max_tokens=500).stream("你好", cancel=cancel))
    next(stream)
    cancel.set()
    assert len(list(stream)) <= 2


@pytest.mark.parametrize("chat", [1], indirect=True)
def test_those_who_wait_are_told_their_position(chat: TransformersChatModel) -> None:
    chat.load()
    first = spoken(chat.bind(max_tokens=500).stream("你好"))
    next(first)
    assert (chat.usage().active, chat.usage().waiting) == (1, 0)
    second = chat.stream("你好")
    assert next(second).response_metadata[QUEUE_POSITION] == 1
    assert chat.usage().waiting == 1
    first.close()  # type: ignore[attr-defined]
    assert "".join(spoken(second))
    assert chat.usage().waiting == 0


def test_turns_come_in_the_order_of_asking() -> None:
    turns = Turns(2)
    asked = [turns.ask() for _ in range(5)]
    assert [turn.wait(0) for turn in asked] == [0, 0, 1, 2, 3]
    assert (turns.active, turns.waiting) == (2, 3)
    asked[3].leave()
    asked[0].leave()
    asked[0].leave()
    assert [asked[n].wait(0) for n in (1, 2, 4)] == [0, 0, 1]


@pytest.mark.parametrize("chat", [1, 2], indirect=True)
def test_an_answer_that_takes_too_long(chat: TransformersChatModel) -> None:
    chat.answer_timeout = 0.0
    with pytest.raises(ModelTimeoutError):
        chat.invoke("你好")
    chat.answer_timeout = 60.0
    assert chat.invoke("你好").content


@pytest.mark.parametrize("chat", [1, 2], indirect=True)
def test_unloading_ends_answers_and_the_next_request_loads_again(chat: TransformersChatModel) -> None:
    expected = chat.invoke("你好").content
    assert chat.usage().loaded
    assert chat.usage().memory_bytes > 10_000
    assert chat.usage().device == "cpu float32"
    stream = spoken(chat.bind(max_tokens=500).stream("你好"))
    next(stream)
    chat.unload()
    with pytest.raises(ModelUnavailableError, match="unloaded"):
        list(stream)
    assert not chat.usage().loaded
    assert chat.invoke("你好").content == expected


@pytest.mark.parametrize("chat", [1, 2], indirect=True)
def test_an_answer_that_nobody_reads_on_keeps_no_weights(chat: TransformersChatModel) -> None:
    stream = spoken(chat.bind(max_tokens=500).stream("你好"))
    next(stream)
    weights = weakref.ref(chat._serve().loaded.model)
    chat.unload()
    assert weights() is None
    with pytest.raises(ModelUnavailableError, match="unloaded"):
        list(stream)


def test_the_defaults_of_the_folder_count_when_several_are_answered(folder: Path, tmp_path: Path) -> None:
    """With one token to choose from, sampling is greedy at any temperature."""
    narrow = tmp_path / "narrow"
    shutil.copytree(folder, narrow)
    settings = json.loads((narrow / "generation_config.json").read_text())
    (narrow / "generation_config.json").write_text(json.dumps({**settings, "top_k": 1, "do_sample": True}))
    greedy, sampling = (
        TransformersChatModel(
            folder=where, device="cpu", max_tokens=12, context_tokens=600, concurrency=count, temperature=heat
        )
        for where, count, heat in ((folder, 1, 0.0), (narrow, 2, 1.5))
    )
    assert sampling.invoke("你好").content == greedy.invoke("你好").content
    sampling.unload()
    greedy.unload()


@pytest.mark.parametrize("chat", [1, 2], indirect=True)
def test_after_running_out_of_memory_the_next_request_works(
    chat: TransformersChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = chat._serve().loaded.model
    forward = type(model).forward

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(type(model), "forward", full)
    with pytest.raises(ModelMemoryError):
        chat.invoke("你好")
    monkeypatch.setattr(type(model), "forward", forward)
    assert chat.invoke("你好").content


MEMORY_OF_LOADING = """
import sys
import psutil
from models.transformers_chat import TransformersChatModel

chat = TransformersChatModel(folder=sys.argv[1], device="cpu", max_tokens=2, concurrency=1)
held = psutil.Process().memory_info
chat.invoke("你好")
chat.unload()
before = held().rss  # with torch and transformers in it, without weights
for _ in range(2):
    chat.invoke("你好")
    print(held().rss - before)
    chat.unload()
    print(held().rss - before)
"""


def test_unloading_gives_the_memory_back(tmp_path: Path) -> None:
    """A hundred megabytes of weights come and go, in a process that holds nothing else."""
    folder = save_llama(tmp_path, hidden=1024, layers=3)
    weights = (folder / "model.safetensors").stat().st_size
    command = [sys.executable, "-c", MEMORY_OF_LOADING, str(folder)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own interpreter
    loaded, unloaded, loaded_again, unloaded_again = map(int, printed.split())
    assert weights > 100 << 20
    assert min(loaded, loaded_again) > weights // 2
    assert max(unloaded, unloaded_again) < weights // 4


def test_which_errors_are_a_lack_of_memory() -> None:
    assert told(MemoryError()).code == "model_out_of_memory"
    assert told(RuntimeError("CUDA out of memory. Tried …")).code == "model_out_of_memory"
    assert told(RuntimeError("shape mismatch")).code == "model_error"


def test_a_repetition_penalty_of_the_settings_or_of_the_folder(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())

    def said(where: Path, penalty: float | None) -> str:
        chat = TransformersChatModel(
            folder=where, device="cpu", max_tokens=12, repetition_penalty=penalty, concurrency=2
        )
        text = str(chat.invoke(QUESTIONS[1]).content)
        chat.unload()
        return text

    repetitive, varied = said(folder, 1.0), said(folder, 8.0)
    assert len(set(repetitive)) < len(set(varied))
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "repetition_penalty": 8.0}))
    single = TransformersChatModel(folder=tmp_path, device="cpu", max_tokens=12, concurrency=1)
    assert single.invoke(QUESTIONS[1]).content == varied
    assert said(tmp_path, 1.0) == repetitive
