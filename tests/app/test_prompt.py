"""The prompt: what is in it, in which order, and what gives way when there is no room."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from app.answering.prompt import build_prompt
from app.answering.types import Turn
from app.messages import translate
from tests.app.hits import make_hit

PLENTY = 100_000


def _length(messages: list[BaseMessage]) -> int:
    return sum(len(message.text) for message in messages)


def test_passages_are_numbered_with_their_sources() -> None:
    hits = [
        make_hit("年假五天。", heading_path=("第三章", "休假")),
        make_hit("甲 | 1", document="表.xlsx", page=None, header="名称 | 数量"),
        make_hit("九点。", document="问答.csv", page=None, question="几点上班？"),
    ]
    messages, used = build_prompt("年假几天？", hits, max_characters=PLENTY)
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
    messages, _ = build_prompt("How long is annual leave?", [make_hit("年假五天。")], max_characters=PLENTY)
    assert messages[0].text.startswith("You answer questions")
    assert translate("refusal", "en") in messages[0].text


def test_braces_in_documents_and_questions_stay_as_they_are() -> None:
    text = "模板 {passages} {refusal} {question} {0} {{x}} %s \\1"
    messages, _ = build_prompt("{passages}？", [make_hit(text)], max_characters=PLENTY)
    assert messages[0].text.count(text) == 1
    assert messages[0].text.count("《手册.pdf》") == 1
    assert messages[1].text == "{passages}？"


def test_history_stands_between_in_its_order() -> None:
    history = [Turn("问一", "答一"), Turn("问二", "答二")]
    messages, _ = build_prompt("问三", [make_hit("文。")], history, max_characters=PLENTY)
    assert [(type(m), m.text) for m in messages[1:]] == [
        (HumanMessage, "问一"),
        (AIMessage, "答一"),
        (HumanMessage, "问二"),
        (AIMessage, "答二"),
        (HumanMessage, "问三"),
    ]


def test_the_oldest_turns_give_way_first() -> None:
    hits = [make_hit("文" * 100)]
    base = _length(build_prompt("问", hits, max_characters=PLENTY)[0])
    history = [Turn("甲" * 50, "乙" * 50), Turn("丙" * 50, "丁" * 50), Turn("戊" * 50, "己" * 50)]
    messages, used = build_prompt("问", hits, history, max_characters=base + 250)
    assert used == 1
    assert [message.text[0] for message in messages[1:-1]] == list("丙丁戊己")
    messages, _ = build_prompt("问", hits, history, max_characters=base + 50)
    assert len(messages) == 2


def test_then_the_worst_passages() -> None:
    hits = [make_hit(character * 400) for character in "甲乙丙丁"]
    history = [Turn("问", "答" * 300)]
    for room in range(700, 2400, 50):
        messages, used = build_prompt("问题", hits, history, max_characters=room)
        assert _length(messages) <= room or used == 1
        shown = [character for character in "甲乙丙丁" if character * 400 in messages[0].text]
        assert shown == list("甲乙丙丁")[:used]
    assert used == 4
    assert len(messages) == 4


def test_the_best_passage_and_the_question_always_stay() -> None:
    messages, used = build_prompt("问题", [make_hit("甲" * 5000), make_hit("乙")], max_characters=100)
    assert used == 1
    assert "甲" * 5000 in messages[0].text
    assert messages[-1].text == "问题"
