"""Answers that say that the documents do not tell, and answers that only look like it."""

from __future__ import annotations

import pytest

from app.answering.refusals import is_refusal, needs_no_citation
from app.messages import translate


@pytest.mark.parametrize(
    "answer",
    [
        translate("refusal", "zh"),
        translate("refusal", "en"),
        "资料中没有提到奖金的发放时间。",
        "提供的文档并未说明这一点。",
        "根据提供的资料，无法确定恒星的分类方法。",
        "抱歉，我无法回答这个问题。",
        "很抱歉，现有资料中没有关于股价的信息。请提供更多资料。",
        "文中未提及保修期。",
        "無法從資料中得知。",
        "我不知道。",
        "The passages do not mention the warranty period.",
        "The provided documents don't contain any information about this.",
        "I'm sorry, but I cannot answer this question from the given context.",
        "There is no information about stock prices in the documents. Please upload one that has.",
        "This is not mentioned in the context.",
        "I don't know.",
        "资料中没有提到奖金[1]。",
        "资料没有说明保修期。[1][2]",
        "提供的信息中未提及奖金[1]。",
        "文件中没有规定保修期。",
        "The provided context does not mention bonuses [1].",
    ],
)
def test_refusals(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "年假为五天[1]。",
        "试用期员工没有年假[1]。",
        "资料没有提到奖金，但年假为五天[1]。",
        "资料没有提到奖金。年假为五天[1]。",
        "没有申请单不能报销[2]。",
        "未提前申请的，不予批准[1]。",
        "文件不得带出办公室[1]。",
        "维修服务内容不包括人为损坏[1]。",
        "维修服务内容不包括人为损坏。[1]",
        "维修服务内容不包括人为损坏。",
        "个人信息不提供给第三方[1]。",
        "文件规定公司不提供班车[2]。",
        "手册明确不提供免费午餐[1]。",
        "员工离职时不能带走公司文件[1]",
        "合同材料未写明日期的无效[1]。",
        "你不能直接给出报价，须经审批[1]。",
        "未按文件要求提供材料的，不能获得补贴[1]。",
        "申请资料未说明用途的，不予受理[1]。",
        "Breakfast is not included [1].",
        "Contractors cannot provide meals for officials [1].",
        "Customer information is not provided to third parties [1].",
        "The information in this manual does not cover installation [1].",
        "Magazines cannot be taken home [1].",
        "Documents must not be copied [1].",
        "The form does not need a signature [2].",
        "",
    ],
)
def test_answers(answer: str) -> None:
    assert not is_refusal(answer)


def test_a_fact_in_the_negative_keeps_its_citation() -> None:
    assert not needs_no_citation("个人信息不提供给第三方")
    assert not needs_no_citation("维修服务内容不包括人为损坏。")
    assert needs_no_citation("资料中没有提到奖金")
    assert needs_no_citation(translate("refusal", "zh"))
    assert not needs_no_citation("")
