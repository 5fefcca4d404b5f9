"""Conversations of the pages: kept, opened again, cut; what is suggested and shown beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.answering.types import Answer, AnswerSentence, Citation
from app.pages.browser_id import BROWSER_COOKIE, new_cookie, owner_of
from app.pages.conversation import Conversation, Exchange
from app.pages.flow import marked, piece_html, pieces
from app.pages.keeping import INTERRUPTED, Keeper
from app.pages.reader import citation_html
from app.pages.suggestions import suggestions, unnumbered
from loaders.document import Box, Chunk
from tests.app.conftest import KB, MakeService

CITATION = Citation(
    1, KB, "手册.pdf", "d1", 7, 3, "年假为五天。", "年假为五天。", 0.9, (Box(3, 0, 0, 1, 0.5),)
)
ANSWER = Answer(
    "年假为五天[1]。",
    False,
    "llm",
    (CITATION,),
    {"total": 0.1},
    "年假几天？",
    (AnswerSentence(0, 9, (1,), 0.2, False),),
)
MANUAL = """# 手册

## 一、年假

员工年假为五天。

## 二、津贴

| 日期 | 元 |
|---|---|
| 休息日 | 300 |

## 三、备用金

备用金上限为三千元。
"""


def _exchange(question: str) -> Exchange:
    return Exchange(question, text=ANSWER.answer, answer=ANSWER, running=False)


def test_a_browser_has_one_id_that_the_catalogue_does_not_tell() -> None:
    given = new_cookie({})
    assert given is not None
    assert "HttpOnly; SameSite=Strict" in given
    cookie = given.partition(";")[0]
    headers = {"cookie": f"a=b; {cookie}"}
    assert new_cookie(headers) is None
    owner = owner_of(headers)
    assert owner is not None
    assert cookie.partition("=")[2] not in owner
    assert owner_of({}) is None
    assert owner_of({"cookie": f"{BROWSER_COOKIE}=short"}) is None


def test_a_conversation_comes_back_as_it_was(make_service: MakeService) -> None:
    service = make_service()
    keeper = Keeper(service)
    conversation = Conversation()
    stopped = Exchange("停", text="半", running=False, stopped=True)
    for exchange in (_exchange("年假几天？"), stopped, Exchange("错", error="坏了", running=False)):
        conversation.exchanges.append(exchange)
        keeper.question(conversation, exchange, "me", knowledge_bases=[], settings={"mode": "chat"})
        keeper.answer(conversation, exchange, "me")
        keeper.answer(conversation, exchange, "me")  # a second time changes nothing
    lost = Exchange("没答完")
    conversation.exchanges.append(lost)
    keeper.question(conversation, lost, "me", knowledge_bases=[], settings={"mode": "chat"})
    keeper.rate(conversation, conversation.exchanges[0], "me", -1, "wrong")

    again = Conversation()
    info = keeper.open(again, conversation.id, "me")
    assert info is not None
    assert (info.title, info.settings) == ("年假几天？", {"mode": "chat"})
    first, second, third, fourth = again.exchanges
    assert first.answer == ANSWER
    assert (first.rating, first.reason) == (-1, "wrong")
    assert (second.text, second.stopped, second.answer) == ("半", True, None)
    assert third.error == "坏了"
    assert fourth.error == INTERRUPTED
    assert keeper.open(Conversation(), conversation.id, "other") is None
    assert keeper.open(Conversation(), conversation.id, None) is None

    keeper.cut(again, 1, "me")
    assert len(service.sessions.messages("me", again.id)) == 2
    service.sessions.delete("me", again.id)
    anew = _exchange("再问")
    again.exchanges.append(anew)
    keeper.question(again, anew, "me", knowledge_bases=[], settings={})
    assert service.sessions.session("me", again.id).title == "再问"


def _asked(keeper: Keeper, conversation: Conversation, question: str) -> Exchange:
    exchange = Exchange(question)
    conversation.exchanges.append(exchange)
    keeper.question(conversation, exchange, "me", knowledge_bases=[], settings={})
    return exchange


def _answered(keeper: Keeper, conversation: Conversation, exchange: Exchange, answer: str) -> None:
    exchange.running, exchange.answer = False, replace(ANSWER, answer=answer)
    keeper.answer(conversation, exchange, "me")


def test_two_windows_on_one_conversation_lose_and_mix_up_nothing(make_service: MakeService) -> None:
    service = make_service()
    keeper = Keeper(service)
    first, second = Conversation(), Conversation()

    def kept() -> list[str]:
        return [message.text for message in service.sessions.messages("me", first.id)]

    _answered(keeper, first, _asked(keeper, first, "问一"), "答一")
    keeper.open(second, first.id, "me")
    assert not keeper.catch_up(second, "me")
    _answered(keeper, first, _asked(keeper, first, "问二"), "答二")
    # What the second would cut is not what it shows; it sees that first.
    second.editing = 0
    assert keeper.catch_up(second, "me")
    assert [exchange.question for exchange in second.exchanges] == ["问一", "问二"]
    assert second.editing is None
    assert not keeper.catch_up(second, "me")

    # Both ask at once: no answer comes to stand below another's question.
    early = _asked(keeper, first, "问三")
    late = _asked(keeper, second, "问四")
    _answered(keeper, first, early, "答三")
    _answered(keeper, second, late, "答四")
    assert kept() == ["问一", "答一", "问二", "答二", "问三", "问四", "答四"]
    assert keeper.catch_up(first, "me")
    assert [(e.question, e.answer and e.answer.answer) for e in first.exchanges[2:]] == [
        ("问三", None),
        ("问四", "答四"),
    ]
    # The number of messages tells nothing: cut in one window, and said anew.
    keeper.cut(first, 3, "me")
    _answered(keeper, first, _asked(keeper, first, "问五"), "答五")
    assert keeper.catch_up(second, "me")
    assert second.exchanges[-1].question == "问五"


def test_an_answer_that_comes_after_a_reload_is_taken_in_without_a_word(make_service: MakeService) -> None:
    service = make_service()
    keeper = Keeper(service)
    before, after = Conversation(), Conversation()
    asked = _asked(keeper, before, "问一")
    keeper.open(after, before.id, "me")
    assert after.exchanges[0].error == INTERRUPTED
    _answered(keeper, before, asked, "答一")
    after.editing = 0
    assert not keeper.catch_up(after, "me")
    assert (after.exchanges[0].answer is not None, after.exchanges[0].kept, after.editing) == (True, 2, 0)
    keeper.cut(after, 0, "me")
    assert service.sessions.messages("me", after.id) == []


def test_of_two_equal_questions_each_keeps_its_place() -> None:
    twice = [Exchange("问", error="坏了", running=False) for _ in range(2)]
    conversation = Conversation([twice[0], _exchange("别的"), twice[1]])
    found = conversation.exchange("2")
    assert found is not None
    assert conversation.exchanges.index(found) == 2


def test_without_a_cookie_nothing_is_kept(make_service: MakeService) -> None:
    service = make_service()
    conversation = Conversation([_exchange("问")])
    Keeper(service).question(conversation, conversation.exchanges[0], None, knowledge_bases=[], settings={})
    assert conversation.id == ""
    assert service.sessions.sessions(None) == []


def test_the_cited_sentence_is_marked_in_its_document(make_service: MakeService) -> None:
    service = make_service()
    service.create_knowledge_base(KB)
    stored = service.store("手册.md", [MANUAL.encode()])
    service.ingest(KB, [stored])
    answer = service.ask("员工年假为几天？", [KB])
    assert [c.quote for c in answer.citations] == ["员工年假为五天。"]
    html = citation_html(service, answer.citations[0], "zh", address={"exchange": "0", "index": "1"})
    assert "<mark>员工年假为五天。</mark>" in html
    assert "<h3>一、年假</h3>" in html
    assert '<th scope="col">日期</th>' in html
    assert "<td>300</td>" in html
    assert html.count("员工年假为五天") == 1
    asked = ("关于“津贴”有哪些内容？", "关于“备用金”有哪些内容？")
    assert suggestions(service, answer, "zh", asked=()) == asked
    assert suggestions(service, answer, "zh", asked=asked[:1]) == asked[1:]
    service.delete_document(KB, answer.citations[0].document_id)
    assert "已被删除或更换" in citation_html(service, answer.citations[0], "zh", address={})


@pytest.mark.parametrize(
    ("heading", "about"),
    [
        ("第五章：知识生成提示", "知识生成提示"),
        ("第十二条 借款", "借款"),
        ("三、津贴", "津贴"),
        ("（二）备用金", "备用金"),
        ("3.1 安装", "安装"),
        ("4．维护", "维护"),
        ("Chapter 3: Travel", "Travel"),
        ("2025年度计划", "2025年度计划"),
        ("5G网络", "5G网络"),
        ("Partners", "Partners"),
    ],
)
def test_a_heading_is_asked_about_without_its_number(heading: str, about: str) -> None:
    assert unnumbered(heading) == about


def test_what_chunks_share_is_shown_once() -> None:
    chunks = [
        (1, Chunk(0, 6, "甲乙丙。丁戊")),
        (2, Chunk(4, 8, "丁戊己庚")),
        (3, Chunk(8, 12, "人工改写的长文")),
    ]
    assert [piece.text for piece in pieces(chunks)] == ["甲乙丙。丁戊", "己庚", "人工改写的长文"]
    second = pieces(chunks)[1]
    assert piece_html(second, [(5, 7)], header=False) == "<p><mark>己</mark>庚</p>"
    assert marked("a<b>c", 10, [(11, 13), (12, 14)]) == "a<mark>&lt;b</mark><mark>&gt;</mark>c"
