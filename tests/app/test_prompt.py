"""The prompt: what is in it, in which order, and what gives way when there is no room."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from app.answering.prompt import Budget, build_prompt
from app.answering.types import Turn
from app.errors import PromptTooLongError
from app.messages import translate
from tests.app.hits import make_hit


def _length(messages: Sequence[BaseMessage]) -> int:
    return sum(len(message.text) for message in messages)


def _bytes(messages: Sequence[BaseMessage]) -> int:
    """A tokenizer of bytes, with three tokens around each message."""
    return sum(len(message.text.encode()) + 3 for message in messages)


def room(tokens: int) -> Budget:
    return Budget(tokens, _length)


PLENTY = room(100_000)


def test_passages_are_numbered_with_their_sources() -> None:
    hits = [
        make_hit("年假五天。", heading_path=("第三章", "休假")),
        make_hit("甲 | 1", document="表.xlsx", page=None, header="名称 | 数量"),
        make_hit("九点。", document="问答.csv", page=None, question="几点上班？"),
    ]
    messages, used = build_prompt("年假几天？", hits, budget=PLENTY)
    assert used == 3
    assert [type(message) for message in messages] == [SystemMessage, HumanMessage]
    assert messages[0].text.endswith(
        "[1] 《手册.pdf》 p. 2 第三章 > 休假\n年假五天。\n\n"
        "[2] 《表.xlsx》\n名称 | 数量\n甲 | 1\n\n"
        "[3] 《问答.csv》\n几点上班？\n九点。\n"
    )
    assert translate("refusal", "zh") in messages[0].text
    assert messages[1].text == "年假几天？"


def test_the_instructions_are_in_the_language_of_the_question() -> None:
    messages, _ = build_prompt("How long is annual leave?", [make_hit("年假五天。")], budget=PLENTY)
    assert messages[0].text.startswith("You answer questions")
    assert translate("refusal", "en") in messages[0].text


def test_braces_in_documents_and_questions_stay_as_they_are() -> None:
    text = "模板 {passages} {refusal} {question} {0} {{x}} %s \\1"
    messages, _ = build_prompt("{passages}？", [make_hit(text)], budget=PLENTY)
    assert messages[0].text.count(text) == 1
    assert messages[0].text.count("《手册.pdf》") == 1
    assert messages[1].text == "{passages}？"


def test_history_stands_between_in_its_order() -> None:
    history = [Turn("问一", "答一"), Turn("问二", "答二")]
    messages, _ = build_prompt("问三", [make_hit("文。")], history, budget=PLENTY)
    assert [(type(m), m.text) for m in messages[1:]] == [
        (HumanMessage, "问一"),
        (AIMessage, "答一"),
        (HumanMessage, "问二"),
        (AIMessage, "答二"),
        (HumanMessage, "问三"),
    ]


def test_the_oldest_turns_give_way_first() -> None:
    hits = [make_hit("文" * 100)]
    base = _length(build_prompt("问", hits, budget=PLENTY)[0])
    history = [Turn("甲" * 50, "乙" * 50), Turn("丙" * 50, "丁" * 50), Turn("戊" * 50, "己" * 50)]
    messages, used = build_prompt("问", hits, history, budget=room(base + 250))
    assert used == 1
    assert [message.text[0] for message in messages[1:-1]] == list("丙丁戊己")
    messages, _ = build_prompt("问", hits, history, budget=room(base + 50))
    assert len(messages) == 2


def test_then_the_worst_passages() -> None:
    hits = [make_hit(character * 400) for character in "甲乙丙丁"]
    history = [Turn("问", "答" * 300)]
    for tokens in range(700, 2400, 50):
        messages, used = build_prompt("问题", hits, history, budget=room(tokens))
        assert _length(messages) <= tokens
        shown = [character for character in "甲乙丙丁" if character * 400 in messages[0].text]
        assert shown == list("甲乙丙丁")[:used]
    assert used == 4
    assert len(messages) == 4


def test_the_best_passage_is_cut_after_a_sentence() -> None:
    empty = _length(build_prompt("问题", [make_hit("")], budget=PLENTY)[0])
    hit = make_hit("第一句话。第二句话。第三句话。")
    messages, used = build_prompt("问题", [hit, make_hit("乙")], budget=room(empty + 12))
    assert used == 1
    assert messages[0].text.endswith("p. 2\n第一句话。第二句话。\n")
    messages, used = build_prompt("问题", [hit], budget=room(empty + 3))
    assert messages[0].text.endswith("p. 2\n第一句\n")


def test_a_cut_never_parts_what_a_reader_takes_for_one_character() -> None:
    empty = _length(build_prompt("问题", [make_hit("")], budget=PLENTY)[0])
    hit = make_hit("e\u0301a👍🏽b👩\u200d👧c")
    ends = {
        build_prompt("问题", [hit], budget=room(empty + extra))[0][0].text[empty - 3 :].rstrip("\n")
        for extra in range(1, 11)
    }
    assert ends == {
        "",
        "e\u0301",
        "e\u0301a",
        "e\u0301a👍🏽",
        "e\u0301a👍🏽b",
        "e\u0301a👍🏽b👩\u200d👧",
        "e\u0301a👍🏽b👩\u200d👧c",
    }


def test_a_question_that_is_too_long_by_itself() -> None:
    with pytest.raises(PromptTooLongError) as caught:
        build_prompt("问" * 500, [make_hit("甲")], budget=room(600))
    assert caught.value.details == {"limit": 600}


def test_plain_chat_has_instructions_of_its_own() -> None:
    messages, used = build_prompt("你好", [], [Turn("问", "答")], budget=PLENTY)
    assert used == 0
    assert messages[0].text.startswith("你是一个乐于助人的助手")
    assert [message.text for message in messages[1:]] == ["问", "答", "你好"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.lists(texts, min_size=1, max_size=5),
    st.lists(st.tuples(texts, texts), max_size=4),
    st.integers(0, 3000),
)
def test_whatever_the_room(
    question: str, passages: list[str], history: list[tuple[str, str]], tokens: int
) -> None:
    """The prompt fits; the question is whole; the best passages and the newest turns are what is left."""
    hits = [make_hit(f"{n}:{text}", document=f"文{n}") for n, text in enumerate(passages)]
    try:
        messages, used = build_prompt(
            question, hits, [Turn(*turn) for turn in history], budget=Budget(tokens, _bytes)
        )
    except PromptTooLongError:
        assert tokens < 1500 + len(question.encode())
        return
    assert _bytes(messages) <= tokens
    assert messages[-1].text == question
    assert all((f"《文{n}》" in messages[0].text) for n in range(used))
    assert f"《文{used}》" not in messages[0].text
    flat = [text for turn in history for text in turn]
    turns = [message.text for message in messages[1:-1]]
    assert turns == flat[len(flat) - len(turns) :]
    assert not turns or used == len(hits)
    assert used <= 1 or all(hit.text in messages[0].text for hit in hits[:used])
