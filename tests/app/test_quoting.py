import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.answering.question_type import candidates, classify
from app.answering.quoting import Quote, quote
from app.answering.same_question import same_question
from knowledge_base.types import Hit
from loaders.document import BlockKind

PASSAGE = (
    "乍都节公园位于泰国的首都曼谷的乍都节县。1975年由泰国国家铁路局捐献土地建筑成公园。"
    "1980年12月4日，国王拉玛九世生日那天，公园开放。它的面积约为0.304平方公里。"
    "由于园内有人工湖，许多桥梁跨越湖泊连接两岸。每逢星期日，都会成为杂货市集，吸引许多观光客来购物。"
)


def hit(
    text: str,
    *,
    kind: BlockKind = "paragraph",
    header: str = "",
    question: str = "",
    heading_path: tuple[str, ...] = (),
    document: str = "d",
) -> Hit:
    return Hit(
        score=0.9,
        dense_score=0.9,
        keyword_score=0.9,
        knowledge_base="kb",
        document=document,
        document_id=document,
        chunk_id=1,
        page=1,
        text=text,
        kind=kind,
        header=header,
        question=question,
        heading_path=heading_path,
    )


def shown(quotes: list[Quote]) -> str:
    return "".join(found.text for found in quotes)


@pytest.mark.parametrize(
    ("question", "kind", "focus"),
    [
        ("是谁批准的?", "person", "批准的"),
        ("公园在哪一年开放?", "time", "开放"),
        ("面积是多少平方公里?", "number", "平方公里"),
        ("总部在哪里?", "place", ""),
        ("为什么要停机?", "reason", "要停机"),
        ("这条河被称为什么?", "name", ""),
        ("如何重置密码?", "manner", "重置密码"),
        ("有哪些材料?", "list", "材料"),
        ("什么是封网期?", "definition", "封网期"),
        ("由哪本杂志连载?", "name", "杂志连载"),
        ("in which year was it built?", "time", "was"),
        ("编号", "other", ""),
    ],
)
def test_the_kind_of_a_question(question: str, kind: str, focus: str) -> None:
    found = classify(question)
    assert (found.kind, found.focus) == (kind, focus)


def test_candidates_are_spans_of_the_kind_asked_for() -> None:
    text = "1980年12月4日开放"
    assert [text[low:high] for low, high in candidates("time", text)] == ["1980年", "12月", "4日"]
    assert candidates("other", text) == []


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("乍都节公园在什么时候开放？", "1980年12月4日"),
        ("乍都節公園的面積有多大？", "0.304平方公里"),
        ("乍都节公园的土地是谁捐献的？", "泰国国家铁路局"),
        ("乍都节公园位于哪里？", "曼谷的乍都节县"),
        ("为什么公园里有许多桥梁？", "由于园内有人工湖"),
    ],
)
def test_the_first_sentence_chosen_answers(question: str, answer: str) -> None:
    assert answer in shown(quote(question, [hit(PASSAGE)], max_sentences=1))


def test_another_hit_than_the_first_may_answer() -> None:
    other = hit("公园的历史很长。公园里有火车博物馆。", document="other")
    quotes = quote("乍都节公园的面积约为多少平方公里？", [other, hit(PASSAGE)])
    assert quotes[0].hit_index == 1
    assert "0.304平方公里" in quotes[0].text


def test_a_table_answers_with_its_row_and_header() -> None:
    table = hit("张三 | 10 | 研发\n李四 | 5 | 市场", kind="table", header="姓名 | 年假 | 部门")
    (found,) = quote("张三的年假有几天？", [table])
    assert (found.text, found.header) == ("张三 | 10 | 研发", "姓名 | 年假 | 部门")


def test_a_faq_pair_of_the_same_question_is_quoted_whole() -> None:
    answer = "在登录页点击“忘记密码”。然后按邮件操作。24小时内有效。再次登录即可。"
    pair = hit(answer, kind="faq", question="怎么重置密码？")
    assert quote("如何重置密码？", [hit(PASSAGE), pair]) == [Quote(1, 0, len(answer), answer, 1.0)]
    assert quote("如何重置密码？", [pair], max_characters=25) == [Quote(0, 0, len(answer), answer, 1.0)]


@pytest.mark.parametrize(
    ("asked", "pair"),
    [
        ("怎么申请年假", "请问年假如何申请？"),
        ("年假有几天？", "年假是多少天"),
        ("需要哪些材料？", "要什么材料"),
        ("能报销吗？", "是否可以报销"),
        ("报销需要多久？", "多久可以报销"),
        ("报销的流程是什么？", "什么是报销流程"),
        ("How do I reset my password?", "how can I reset the password"),
    ],
)
def test_a_question_in_other_words(asked: str, pair: str) -> None:
    assert same_question(asked, pair)


@pytest.mark.parametrize(
    ("asked", "pair"),
    [
        ("SG-200 网关的保修期是多久？", "SG-100 网关的保修期是多久？"),
        ("出差到上海的住宿标准是多少？", "出差到成都的住宿标准是多少？"),
        ("2025年国庆节放假几天？", "2024年国庆节放假几天？"),
        ("工龄满十年的病假工资按多少发放？", "工龄满五年的病假工资按多少发放？"),
        ("什么时候发工资？", "发多少工资？"),
        ("谁审批年假？", "年假什么时候审批？"),
        ("哪些费用不能报销？", "哪些费用能报销？"),
        ("甲方付给乙方多少定金？", "乙方付给甲方多少定金？"),
        ("从上海到北京多少钱？", "从北京到上海多少钱？"),
        ("谁批准张三？", "张三批准谁？"),
        ("？", "吗"),
    ],
)
def test_a_question_about_something_else(asked: str, pair: str) -> None:
    assert not same_question(asked, pair)


def test_a_faq_pair_about_something_else_is_only_a_candidate() -> None:
    passage = hit("SG-200 网关的保修期为三年，自签收之日起计算。")
    pair = hit("一年。", kind="faq", question="SG-100 网关的保修期是多久？")
    quotes = quote("SG-200 网关的保修期是多久？", [pair, passage])
    assert (quotes[0].hit_index, quotes[0].text) == (1, passage.text)


def test_a_faq_answer_of_several_chunks_is_quoted_whole_and_once() -> None:
    first = replace(
        hit("第一步，打开设置。第二步，点击账号。", kind="faq", question="怎么注销？"), chunk_id=7
    )
    second = replace(
        hit("第二步，点击账号。第三步，确认注销。", kind="faq", question="怎么注销？"), chunk_id=8
    )
    other = replace(hit("九点。", kind="faq", question="几点上班？"), chunk_id=6)
    quotes = quote("怎么注销", [second, other, first])
    assert [(found.hit_index, found.text) for found in quotes] == [
        (2, "第一步，打开设置。第二步，点击账号。"),
        (0, "第三步，确认注销。"),
    ]


def test_a_heading_is_not_quoted_and_a_list_comes_with_its_lead() -> None:
    text = (
        "年假制度\n年假每年十天。\n申请流程如下：\n1. 填写申请单。\n2. 主管审批。\n3. 人力资源部备案。"
        "\n病假\n病假需要医院证明。"
    )
    quotes = quote("年假制度的申请流程是什么？", [hit(text, heading_path=("年假制度",))])
    assert "申请流程如下：\n1. 填写申请单。\n2. 主管审批。\n3. 人力资源部备案。" in shown(quotes)
    assert all("年假制度" not in found.text for found in quotes)


@pytest.mark.parametrize(("items", "length"), [(40, 3), (30, 4), (20, 6), (60, 1), (50, 2), (25, 5)])
def test_a_long_list_is_quoted_as_far_as_there_is_room(items: int, length: int) -> None:
    entries = [f"- {chr(0x7532 + n) * length}" for n in range(items)]
    text = "办公用品领用清单包括以下物品：\n" + "\n".join(entries)
    (found,) = quote("办公用品领用清单包括哪些物品？", [hit(text)])
    assert len(found.text) <= 180 < len(found.text) + 1 + len(entries[0]) or found.text == text
    assert text.startswith(found.text)
    assert found.text.endswith(tuple(entries))


def test_a_very_long_sentence_is_cut_to_the_clauses_that_answer() -> None:
    clauses = "，".join(f"第{n}号仓库由第{n}小组看守并且逐日登记" for n in range(1, 40))
    text = f"{clauses}，油库的钥匙由赵工保管，其余见附件。"
    (found,) = quote("油库的钥匙由谁保管？", [hit(text)])
    assert "赵工保管" in found.text
    assert len(found.text) <= 120


def test_english_text_answers() -> None:
    text = "Take a full backup. The migration takes 12 minutes. A rollback is possible within 7 days."
    assert "within 7 days" in quote("How long is a rollback possible?", [hit(text)])[0].text


def test_a_sentence_about_another_model_does_not_answer() -> None:
    text = "主机自发货之日起保修24个月，后备电池保修6个月。SG-100的主机保修期为18个月。"
    (chosen,) = quote("SG-200保修期多久", [hit(text)], max_sentences=1)
    assert chosen.text.startswith("主机自发货之日起保修24个月")
    (chosen,) = quote("SG-100保修期多久", [hit(text)], max_sentences=1)
    assert chosen.text == "SG-100的主机保修期为18个月。"


@pytest.mark.parametrize("question", ["", "。。。", "😀", "\x00\ud800", "x" * 20_000])
def test_odd_questions_still_quote(question: str) -> None:
    assert quote(question, [hit(PASSAGE)])
    assert quote(question, []) == []
    assert quote(question, [hit(" \n ")]) == []


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=30),
    st.lists(st.text(alphabet="年假公园1980，。：\n、|ab 「」？-#", max_size=300), max_size=4),
    st.integers(1, 4),
    st.integers(10, 200),
)
def test_quotes_are_exact_and_within_the_limits(
    question: str, texts: list[str], sentences: int, characters: int
) -> None:
    hits = [hit(text, document=str(number)) for number, text in enumerate(texts)]
    quotes = quote(question, hits, max_sentences=sentences, max_characters=characters)
    assert all(hits[q.hit_index].text[q.start : q.end] == q.text for q in quotes)
    assert all(0 <= q.score <= 1 and q.text.strip() for q in quotes)
    assert sum(len(q.text) for q in quotes) <= characters
    assert bool(quotes) == any(text.strip() for text in texts[:3])


def test_the_weights_ship_with_the_package() -> None:
    path = Path(__file__).parents[2] / "app" / "answering" / "quoting_weights.json"
    assert len(json.loads(path.read_text(encoding="utf-8"))["weights"]) > 40


def test_a_very_long_question_still_quotes() -> None:
    assert quote("年假" * 50_000, [hit(PASSAGE * 2)])


def test_the_row_of_the_floor_asked_for_comes_first_and_alone_of_its_table() -> None:
    rules = hit("1.各楼层负责人应在开始时间前20分钟到达现场，与检修人员核对断电范围，并在检查表上签字。")
    rows = hit(
        "5层 | 更换机房进线断路器 | 7:30 | 运维部经理 | 8119\n"
        "7层 | 检查线缆绝缘 | 10:00 | 销售部助理 | 8307\n"
        "8层 | 更换照明配电箱 | 13:00 | 产品部助理 | 8408",
        kind="table",
        header="楼层 | 检修内容 | 开始时间 | 楼层负责人 | 联系分机",
        document="t",
    )
    first, *others = quote("停电检修时7层负责人的分机是多少？", [rows, rules])
    assert first.text == "7层 | 检查线缆绝缘 | 10:00 | 销售部助理 | 8307"
    assert first.header == rows.header
    assert not any("8119" in other.text or "8408" in other.text for other in others)


def test_the_row_that_the_question_names_beside_a_column_comes_first() -> None:
    plan = hit(
        "更换连接器供应商并送样 | 硬件组 | 3月20日",
        kind="table",
        header="事项 | 负责组 | 完成日期",
        document="p",
    )
    stock = hit(
        "M1001 | 电源板 | 420 | 常青电子\nM1002 | 连接器 | 180 | 联拓五金",
        kind="table",
        header="物料编码 | 名称 | 库存数量（件） | 供应商",
        document="t",
    )
    assert quote("连接器的供应商是哪家？", [plan, stock])[0].text == "M1002 | 连接器 | 180 | 联拓五金"
    assert quote("M1001的库存数量是多少？", [plan, stock])[0].text == "M1001 | 电源板 | 420 | 常青电子"
    # A row that names what was asked for, and nothing beside it, is no answer to a question of another.
    assert "硬件组" in quote("更换连接器供应商并送样由谁负责？", [plan, stock])[0].text


def test_the_title_of_a_table_is_no_row_of_it() -> None:
    table = hit(
        "1.2 值班津贴\n工作日 | 150 | 60\n法定节假日 | 500 | 200",
        kind="table",
        header="日期类型 | 主值班（元/天） | 副值班（元/天）",
        heading_path=("值班安排", "1.2 值班津贴"),
    )
    (found,) = quote("法定节假日的值班津贴是多少？", [table])
    assert "法定节假日 | 500 | 200" in found.text
    assert "1.2" not in found.text


def test_a_sure_answer_stands_without_what_is_far_less_sure() -> None:
    power = hit(
        "功耗 | 典型值8W，最大值14W\n重量 | 0.9千克", kind="table", header="项目 | 参数", document="a"
    )
    points = hit("最大测点数 | 1500 | 5000", kind="table", header="项目 | 标准版 | 高级版", document="b")
    assert shown(quote("SG-200的最大功耗是多少？", [power, points])) == "功耗 | 典型值8W，最大值14W"
