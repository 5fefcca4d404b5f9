from __future__ import annotations

import threading
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from models.errors import ModelError, ModelUnavailableError
from models.transformers_chat import TransformersChatModel, _until

pytestmark = pytest.mark.slow

TEMPLATE = "{% for m in messages %}{{ m.role[0] }}{{ m.content }}{% endfor %}a"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama with random weights, whose vocabulary is a few characters."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(3)
    target = tmp_path_factory.mktemp("llama")
    vocabulary = {c: i for i, c in enumerate(["<unk>", "</s>", *"usa你好吗我们知道问答一二三四五"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(target)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        eos_token_id=None,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(target)
    return target


def _expected(folder: Path, prompt: str, tokens: int) -> str:
    """Greedy decoding, step by step."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForCausalLM.from_pretrained(str(folder))
    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False)["input_ids"]])
    start = ids.shape[1]
    with torch.no_grad():
        for _ in range(tokens):
            ids = torch.cat((ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)), dim=1)
    return str(tokenizer.decode(ids[0, start:], skip_special_tokens=True))


def test_answers_as_greedy_decoding_does(folder: Path) -> None:
    model = TransformersChatModel(folder=folder, device="cpu", max_tokens=9)
    messages = [SystemMessage("知道"), HumanMessage("你好"), AIMessage("我们"), HumanMessage("一二")]
    expected = _expected(folder, "s知道u你好a我们u一二a", 9)
    assert len(expected) > 1
    assert model.invoke(messages).content == expected
    pieces = [str(chunk.content) for chunk in model.stream(messages)]
    assert "".join(pieces) == expected


def test_cancelling_and_closing_free_the_model(folder: Path) -> None:
    model = TransformersChatModel(folder=folder, device="cpu", max_tokens=200, timeout=5)
    cancel = threading.Event()
    cancel.set()
    assert len("".join(str(c.content) for c in model.stream("你好", cancel=cancel))) <= 1
    stream = model.stream("你好")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert model.bind(max_tokens=1).invoke("你好").content == _expected(folder, "u你好a", 1)


def test_a_busy_model_says_so(folder: Path) -> None:
    model = TransformersChatModel(folder=folder, device="cpu", max_tokens=200, timeout=0.01)
    stream = model.stream("你好")
    next(stream)
    with pytest.raises(ModelUnavailableError, match="busy"):
        model.invoke("你好")
    stream.close()  # type: ignore[attr-defined]


def test_prompt_that_is_too_long(folder: Path) -> None:
    model = TransformersChatModel(folder=folder, device="cpu", context_tokens=10)
    with pytest.raises(ModelError, match="The prompt has 22 tokens") as caught:
        model.invoke("你" * 20)
    assert caught.value.details == {"tokens": 22, "limit": 10}


def test_a_base_model_cannot_be_talked_to(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="no chat template"):
        TransformersChatModel(folder=tmp_path, device="cpu").invoke("你好")


@pytest.mark.parametrize(
    ("pieces", "stops", "expected"),
    [
        (["abc", "def"], [], "abcdef"),
        (["ab", "cd", "ef"], ["cd"], "ab"),
        (["ab", "c", "def"], ["cde"], "ab"),
        (["ab", "c", "x"], ["cde"], "abcx"),
        (["stop"], ["stop"], ""),
        (["one b a"], ["a", "b"], "one "),
    ],
)
def test_stop_texts(pieces: list[str], stops: list[str], expected: str) -> None:
    assert "".join(_until((piece for piece in pieces), stops)) == expected


def test_a_base_model_ends_where_it_asks_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TransformersChatModel(folder=folder, device="cpu", family="plain", max_tokens=40)
    monkeypatch.setattr(
        TransformersChatModel, "_pieces", lambda *_: (piece for piece in ("五", "天", "\n问", "：病"))
    )
    assert model.invoke("年假？").content == "五天"
