import json
from pathlib import Path

import pytest

from app.answering.followups import (
    Turn,
    leans,
    new_topic,
    rewriting_ends,
    rewriting_messages,
    rewritten,
    speaks_of,
    standalone_question,
)
from loaders.splitter import ChineseTextSplitter
from vectorstore.chinese import fold, terms
from vectorstore.keyword import KeywordIndex

SAMPLES = Path(__file__).parents[2] / "knowledge_base" / "samples"
PAIRS = json.loads((Path(__file__).parents[1] / "data" / "followups.json").read_text(encoding="utf-8"))
LEAVE = [Turn("病假有几天？", "五天。")]


@pytest.mark.parametrize(
    "question",
    [
        "年休假有多少天？",
        "今天北京天气怎么样？",
        "那今天北京的天气怎么样？",
        "员工离职后账号什么时候停用？",
        "谁写了《红楼梦》？",
        "其他部门的联系方式是什么？",
        "Which firmware do SG-200 gateways need?",
    ],
)
def test_a_question_that_stands_alone_stays_as_it_is(question: str) -> None:
    assert standalone_question(question, LEAVE) == question


@pytest.mark.parametrize(
    "question",
    ["还有吗？", "为什么？", "那它要谁审批？", "第二种呢？", "其补偿金是多少？", "How long is it valid?"],
)
def test_a_question_that_leans_is_recognised(question: str) -> None:
    assert leans(question)


@pytest.mark.parametrize(
    "remark",
    [
        "谢谢",
        "谢谢你！",
        "好的，谢谢。",
        "多謝",
        "明白了",
        "你好",
        "嗯嗯",
        "Thanks!",
        "OK, thank you very much",
    ],
)
def test_thanks_do_not_ask_the_last_question_again(remark: str) -> None:
    assert not leans(remark)
    assert standalone_question(remark, LEAVE) == remark


@pytest.mark.parametrize("question", ["还有别的吗？", "还有吗", "别的呢？", "具体说说"])
def test_a_general_sentence_asks_for_more_of_the_same(question: str) -> None:
    assert set("病假") <= set(standalone_question(question, LEAVE))


def test_without_history_nothing_changes() -> None:
    assert standalone_question("那它要谁审批？", []) == "那它要谁审批？"
    assert standalone_question("", LEAVE) == ""


@pytest.mark.parametrize(
    ("before", "question", "expected"),
    [
        ("年假有几天？", "病假呢？", "病假有几天？"),
        ("P1告警的首次响应时间是多少？", "P2呢？", "p2告警的首次响应时间是多少？"),
        ("第一种方案要多少钱？", "第二种呢？", "第二种方案要多少钱？"),
        ("特權帳號的口令多久換一次？", "它要幾位？", "特權帳號的口令 換一次 要几位"),
        ("年休假怎么申请？", "那它要谁审批？", "年休假 申请 要谁审批"),
    ],
)
def test_what_the_question_lacks_is_carried_over(before: str, question: str, expected: str) -> None:
    assert standalone_question(question, [Turn(before, "")]) == expected


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("那火星呢？", "火星"),
        ("SG-300呢？", "sg-300"),
        ("What about Mars?", "mars"),
        ("要谁审批？", ""),
        ("为什么？", ""),
        ("今天北京和上海的天气以及交通状况都怎么样呢？", ""),
    ],
)
def test_the_topic_that_a_follow_up_brings(question: str, topic: str) -> None:
    assert new_topic(question) == topic


def test_a_text_speaks_of_a_topic_when_it_holds_a_word_of_it() -> None:
    assert speaks_of("火星", "火星是一颗行星。") and not speaks_of("火星", "年休假在OA中申请，星期一生效。")
    assert speaks_of("欧洲总部", "總部設在溫哥華。") and speaks_of("", "年休假")
    assert speaks_of("sg-300", "SG-300 网关") and not speaks_of("mars", "年休假")


def test_what_was_carried_is_carried_on() -> None:
    history = [Turn("年休假怎么申请？", "在OA中。"), Turn("要谁审批？", "主管。")]
    assert "年休假" in standalone_question("为什么？", history)


def test_nothing_of_an_older_topic_is_carried() -> None:
    history = [Turn("年休假怎么申请？", ""), Turn("互联网出口的带宽是多少？", "")]
    assert "年休假" not in standalone_question("它什么时候切换？", history)


def _asked(question: str, history: list[Turn], *, room: int = 10_000) -> str | None:
    messages = rewriting_messages(question, history, fits=lambda found: len(found[0].text) <= room)
    return messages[0].text if messages else None


def test_a_language_model_is_asked_to_rewrite() -> None:
    prompt = _asked("那它呢？", [Turn("年休假{question}怎么申请？", "在{history}中")])
    assert prompt is not None
    assert "年休假{question}怎么申请？" in prompt
    assert "新问题：那它呢？" in prompt
    assert _asked("那它呢？", []) is None
    assert _asked(" ", LEAVE) is None


def test_old_turns_are_left_out_where_there_is_no_room() -> None:
    history = [Turn("背景" * 2000, "好。"), Turn("年假有几天？", "五天。")]
    prompt = _asked("病假呢？", history, room=1000)
    assert prompt is not None
    assert "背景" not in prompt
    assert "年假有几天？" in prompt
    assert _asked("病假呢？", history, room=10) is None


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("年休假由谁审批？", "年休假由谁审批？"),
        ("\n“年休假由谁审批？”\n因为……", "年休假由谁审批？"),
        ("", ""),
        ("  \n", ""),
        ("长" * 500, ""),
    ],
)
def test_the_first_line_is_the_rewritten_question(said: str, found: str) -> None:
    assert rewritten(said) == found


def test_no_more_is_awaited_than_a_question() -> None:
    assert not rewriting_ends("\n年休假由谁审批？")
    assert rewriting_ends("\n年休假由谁审批？\n因")
    assert rewriting_ends("长" * 301)


def test_follow_ups_over_the_samples_find_what_the_full_questions_find() -> None:
    names, texts = [], []
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in (".md", ".csv"):
            whole = path.read_text(encoding="utf-8-sig")
            chunks = (
                whole.splitlines()[1:] if path.suffix == ".csv" else ChineseTextSplitter().split_text(whole)
            )
            texts += chunks
            names += [path.name] * len(chunks)
    index = KeywordIndex()
    index.add(range(len(texts)), texts)

    def first(question: str) -> str:
        return names[index.search(list(dict.fromkeys(terms(fold(question)))), 1)[0][0]]

    same = [
        first(standalone_question(pair["question"], [Turn(**turn) for turn in pair["history"]]))
        == first(pair["standalone"])
        for pair in PAIRS
    ]
    assert len(PAIRS) == 60
    assert sum(same) / len(same) >= 0.85
