"""The events of an answer: quoted, written by a model, refused."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
import pytest

from app.answering import answerer
from app.answering.answerer import Answerer
from app.answering.prompt import Budget
from app.answering.speech import ChatModel, Thoughts
from app.answering.types import Answer, Event, Final, Sources, Token, Turn, Waiting
from app.composition import Lazy, build_service
from app.errors import UnknownModelError
from app.messages import translate
from app.settings import load_settings
from knowledge_base.retrieval import Retrieval
from knowledge_base.types import Hit
from models.errors import ModelUnavailableError
from tests.app.fake_chat import BreakingModel, RecordingModel
from tests.app.hits import make_hit

LEAVE = make_hit("员工享有福利。年假为每年五天，须提前申请。", document_id="leave", chunk_id=7)
SICK = make_hit(
    "病假凭医院证明。病假期间照发工资。", document="病假.md", document_id="sick", page=None, lines=()
)


class Search:
    """Finds the same hits whatever is asked, and keeps what was."""

    def __init__(self, *hits: Hit) -> None:
        self.hits = list(hits)
        self.asked: list[str] = []

    def __call__(self, query: str) -> Retrieval:
        self.asked.append(query)
        return Retrieval(self.hits, np.zeros(4, dtype=np.float32))


def _budget(room: int) -> Budget:
    return Budget(room, lambda messages: sum(len(message.text) for message in messages))


def _chat(*responses: str, room: int = 4000) -> tuple[ChatModel, RecordingModel]:
    model = RecordingModel(responses=list(responses))
    return ChatModel(name="local", model=model, budget=_budget(room)), model


def _answer(events: Sequence[Event]) -> Answer:
    assert isinstance(events[0], Sources)
    assert isinstance(events[-1], Final)
    tokens = events[1:-1]
    assert all(isinstance(event, Token) for event in tokens)
    text = "".join(event.text for event in tokens if isinstance(event, Token))
    assert text.strip() == events[-1].answer.answer
    return events[-1].answer


def test_quoting() -> None:
    events = list(Answerer(Search(LEAVE, SICK)).stream("年假有几天？"))
    answer = _answer(events)
    assert "年假为每年五天" in answer.answer
    assert (answer.refused, answer.model, answer.question) == (False, "quote", "年假有几天？")
    assert isinstance(events[0], Sources)
    assert events[0].citations == answer.citations
    citation = answer.citations[0]
    assert (citation.index, citation.document, citation.document_id, citation.chunk_id) == (
        1,
        "手册.pdf",
        "leave",
        7,
    )
    assert citation.page == 2
    assert citation.quote in LEAVE.text
    start = LEAVE.text.index(citation.quote)
    assert citation.boxes == LEAVE.boxes(start, start + len(citation.quote))
    assert set(answer.timings) == {"rewrite", "embed", "search", "first_token", "total"}


def test_a_model_streams_and_cites() -> None:
    chat, model = _chat("病假凭医院证明[2]。没有第九份[9]。")
    events = list(Answerer(Search(LEAVE, SICK), chat_model=chat).stream("病假要什么证明？"))
    answer = _answer(events)
    assert len(events) > 10
    assert answer.answer == "病假凭医院证明[2]。没有第九份。"
    assert [(s.citations, s.supported) for s in answer.sentences] == [((2,), True), ((), False)]
    assert (answer.refused, answer.model) == (False, "local")
    assert isinstance(events[0], Sources)
    assert [citation.index for citation in events[0].citations] == [1, 2]
    (citation,) = answer.citations
    assert (citation.index, citation.document, citation.quote) == (2, "病假.md", "病假凭医院证明。")
    assert citation.text == SICK.text
    assert "[2] 《病假.md》" in model.asked[0][0].text


def test_only_passages_in_the_prompt_can_be_cited() -> None:
    long = make_hit("甲" * 3000)
    chat, _ = _chat("都写了[1][2]。", room=3600)
    events = list(Answerer(Search(long, make_hit("乙" * 3000)), chat_model=chat).stream("什么？"))
    assert [citation.index for citation in _answer(events).citations] == [1]


def test_a_refusal_asks_no_model_and_has_no_sources() -> None:
    chat, model = _chat("不该说的话")
    events = list(Answerer(Search(), chat_model=chat).stream("恒星如何分类？"))
    assert events[0] == Sources(())
    answer = _answer(events)
    assert (answer.answer, answer.refused, answer.citations) == (translate("refusal", "zh"), True, ())
    assert answer.model == "local"
    assert model.asked == []
    quoted = _answer(list(Answerer(Search()).stream("How are stars classified?")))
    assert (quoted.answer, quoted.refused, quoted.model) == (translate("refusal", "en"), True, "quote")


@pytest.mark.parametrize(
    "said",
    [
        translate("refusal", "zh"),
        f"{translate('refusal', 'zh')}[1]",
        "资料中没有提到奖金[1]。",
        "抱歉，根据提供的资料无法回答这个问题。您可以联系人事部门。",
        "The passages do not mention any bonus [1].",
    ],
)
def test_a_models_refusal_is_one(said: str) -> None:
    chat, _ = _chat(said)
    answer = _answer(list(Answerer(Search(LEAVE), chat_model=chat).stream("奖金多少？")))
    assert (answer.refused, answer.citations) == (True, ())
    assert "[1]" not in answer.answer


def test_a_model_that_says_nothing_refuses_in_words() -> None:
    chat, _ = _chat(" ")
    answer = _answer(list(Answerer(Search(LEAVE), chat_model=chat).stream("奖金多少？")))
    assert (answer.answer, answer.refused) == (translate("refusal", "zh"), True)


def test_a_model_that_breaks_is_unavailable() -> None:
    chat = ChatModel(name="local", model=BreakingModel(), budget=_budget(4000))
    events = Answerer(Search(LEAVE), chat_model=chat).stream("年假有几天？")
    assert isinstance(next(events), Sources)
    assert next(events) == Token("年假")
    with pytest.raises(ModelUnavailableError) as caught:
        list(events)
    assert caught.value.details == {"name": "local"}
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_model_that_cannot_rewrite_is_unavailable() -> None:
    chat = ChatModel(name="local", model=BreakingModel(), budget=_budget(4000))
    with pytest.raises(ModelUnavailableError):
        list(Answerer(Search(LEAVE), chat_model=chat).stream("那它呢？", [Turn("年假几天？", "五天")]))


def test_thoughts_are_shown_nowhere() -> None:
    chat, _ = _chat(
        "<think>\n用户问的是审批。\n</think>\n\n年假由谁审批？", "<think>见[2]。</think>由经理审批[1]。"
    )
    search = Search(LEAVE)
    events = list(
        Answerer(search, chat_model=chat).stream("那它要谁审批？", [Turn("年假有几天？", "五天。")])
    )
    answer = _answer(events)
    assert search.asked == ["年假由谁审批？"]
    assert (answer.answer, [c.index for c in answer.citations]) == ("由经理审批[1]。", [1])


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["<thi", "nk>甲", "</thi", "nk>\n\n乙", "<think>丙"], "乙<think>丙"),
        (["\n<think></think>", "乙"], "乙"),
        (["<think>甲"], ""),
        (["<thin"], "<thin"),
        (["小", "<think>甲</think>"], "小<think>甲</think>"),
    ],
)
def test_only_thoughts_before_the_first_word_are_taken_away(pieces: list[str], said: str) -> None:
    thoughts = Thoughts()
    assert "".join([*(thoughts.feed(piece) for piece in pieces), thoughts.finish()]) == said


def test_a_long_history_leaves_the_rewriting_to_the_rules() -> None:
    chat, model = _chat("五天[1]。", room=600)
    history = [Turn("背景" * 5000, "好。")]
    search = Search(LEAVE)
    answer = _answer(list(Answerer(search, chat_model=chat).stream("年休假有多少天？", history)))
    assert (answer.answer, search.asked, len(model.asked)) == ("五天[1]。", ["年休假有多少天？"], 1)


def test_a_rewriting_that_takes_long_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answerer, "NEWS_SECONDS", 0.0)
    chat, _ = _chat("年假由谁审批？")
    search = Search(LEAVE)
    events = Answerer(search, chat_model=chat).stream("那它要谁审批？", [Turn("年假有几天？", "五天。")])
    assert next(events) == Waiting(0)
    assert isinstance(events, Generator)
    events.close()
    assert search.asked == []


def test_a_follow_up_is_searched_standing_alone() -> None:
    chat, model = _chat("年假由谁审批？", "由经理审批[1]。")
    search = Search(LEAVE)
    history = [Turn("年假有几天？", "五天[1]。")]
    answer = _answer(list(Answerer(search, chat_model=chat).stream("那它要谁审批？", history)))
    assert search.asked == ["年假由谁审批？"]
    assert answer.question == "年假由谁审批？"
    assert [message.text for message in model.asked[1][1:]] == ["年假有几天？", "五天[1]。", "那它要谁审批？"]

    quoting = Search(LEAVE)
    list(Answerer(quoting).stream("那它要谁审批？", history))
    assert "年假" in quoting.asked[0]


def test_a_client_that_leaves_ends_the_generation() -> None:
    chat, _ = _chat("很长的回答" * 50)
    events = Answerer(Search(LEAVE), chat_model=chat).stream("年假？")
    next(events), next(events)
    events.close()  # type: ignore[attr-defined]
    assert list(events) == []


def test_the_prompt_leaves_room_for_the_answer() -> None:
    spec = {"kind": "tests.app.fake_chat:RecordingModel", "context_tokens": 3000, "max_tokens": 1000}
    service = build_service(load_settings({"data_dir": "data", "answering": {"models": {"local": spec}}}))
    try:
        chat = service.models("local")
        assert (chat.name, chat.budget.tokens) == ("local", 2000)
        assert isinstance(chat.model, RecordingModel)
        assert service.models("local").model is chat.model
        with pytest.raises(UnknownModelError) as caught:
            service.models("other")
        assert caught.value.details == {"name": "other", "known": "quote, local"}
    finally:
        service.close()


def test_lazy_makes_once_and_tries_again_after_a_failure() -> None:
    made: list[int] = []

    def make() -> str:
        made.append(1)
        if len(made) == 1:
            raise ModelUnavailableError("not yet")
        return "value"

    lazy = Lazy(make)
    with pytest.raises(ModelUnavailableError):
        lazy()
    assert [lazy(), lazy()] == ["value", "value"]
    assert len(made) == 2
