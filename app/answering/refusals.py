"""Recognising an answer that says that the documents do not answer, in whatever words.

A language model is asked to refuse in one fixed sentence; few keep to it. Such an answer is taken as
the refusal that it is: shown as one, without citations.
"""

from __future__ import annotations

import re

from app.messages import LANGUAGES, translate
from loaders.sentences import split_sentences
from vectorstore.chinese import fold

# 内容 and 文件 may be what a fact is about; 上述内容 and 文件中 are what was read.
_SOURCES_ZH = (
    r"(?:资料|文档|文中|文章|原文|上下文|段落|知识库|片段|以上|上述|上文|其中"
    r"|(?:提供|所给|给定|给出|现有|已知|参考)的?(?:文件|材料|内容|信息|手册)|(?:文件|材料|手册)[中里内])"
)
_SOURCES_EN = (
    r"(?:documents?|passages?|texts?|context|sources?|excerpts?|knowledge base"
    r"|(?:provided|given|above|available|retrieved) (?:information|content|materials?))"
)
_TOLD_ZH = (
    r"(?:提到|提及|提供|说明|包含|包括|涉及|记载|给出|写明|写到|写出|规定|描述|介绍|找到|显示|指出"
    r"|查到|讲到|列出|体现|回答)"
)
_TOLD_EN = (
    r"(?:mention|say|state|contain|provide|include|specify|cover|address|give|answer|describe|discuss|tell|"
    r"have|offer|indicate)(?:s|ed|d|n)?"
)
_SORRY = r"(?:很?抱歉|对不起|不好意思)"
_REFUSALS = [
    re.compile(pattern)
    for pattern in (
        rf"{_SOURCES_ZH}[^。，,;；]{{0,16}}(?:没有|并未|未能|未曾|未|并没有|没|不曾|不)"
        rf"(?:有|能|直接|明确|具体|详细|任何)*{_TOLD_ZH}",
        rf"{_SOURCES_ZH}[^。，,;；]{{0,12}}(?:没有|无|缺乏|缺少|不存在|找不到|查不到|不含|不足以)"
        r"[^。，,;；]{0,16}(?:信息|内容|答案|资料|说明|记载|描述|数据|回答|介绍|规定)",
        r"(?:没有|未能?|无法|不能|找不到|查不到)(?:从|在|根据|依据)?[^。，,;；]{0,14}"
        rf"{_SOURCES_ZH}[^。，,;；]{{0,10}}"
        r"(?:找到|查到|获取|获得|得知|得出|确定|回答|判断|答案|相关|$)",
        rf"(?:根据|依据|从)[^。;；]{{0,16}}{_SOURCES_ZH}[^。;；]{{0,8}}(?:无法|不能|难以)[^。;；]{{0,6}}"
        r"(?:回答|确定|得知|判断|得出|知道|找到|给出)",
        rf"^{_SORRY}?[，, ]*我?(?:无法|不能|没法|没办法)(?:准确|直接)?(?:回答|确定|得知|判断|提供)",
        rf"^{_SORRY}?[，, ]*我?(?:不知道|不清楚|没有找到|未找到|找不到)",
        rf"\b{_SOURCES_EN}\b[^.;]{{0,40}}\b(?:do|does|did|is|are|was|were)(?: not|n't|n’t)\b[^.;]{{0,20}}"
        rf"\b(?:{_TOLD_EN}|there|relevant|enough|sufficient)",
        r"\b(?:no|not any|not enough|insufficient|there is no|there's no)\b[^.;]{0,30}"
        r"\b(?:information|mention|answer|details?|data|passages?)\b[^.;]{0,60}"
        rf"(?:\b{_SOURCES_EN}\b|$|available|provided|given|about|on|to)",
        r"\bnot (?:mentioned|stated|specified|provided|covered|contained|included|given|found|answered"
        rf"|available)\b(?=[^.;]{{0,30}}(?:\b{_SOURCES_EN}\b|$))",
        r"\b(?:can(?:not|'t|’t| not)|could(?: not|n't|n’t)|unable to|am not able to)"
        r"\b[^.;]{0,20}\b(?:answer|find|determine|tell|say|provide)\b",
        r"^(?:i'm sorry|sorry)?[, ]*(?:but )?i (?:do not|don't|don’t) (?:know|have)\b",
    )
]
# What only the passages do, even in a sentence that cites one: 资料中没有提到, but not 价格不包含.
_THOUGH_CITED = [
    re.compile(pattern)
    for pattern in (
        r"(?:(?<![\u3400-\u9fff])资料|[据在从的]资料|(?:提供|所给|给定)的?(?:文档|文件|材料|内容|信息)"
        r"|以上资料|上述资料|现有资料|上下文|知识库|文中|原文)[中里内]?[^。，,;；]{0,6}"
        r"(?:没有|并未|未能|未曾|未|并没有|没)(?:有|能|直接|明确|具体|详细|任何)*"
        r"(?:提到|提及|提供|说明|包含|涉及|记载|给出|写明|写到|找到)",
        r"\b(?:context|passages?"
        r"|(?:provided|given|above) (?:documents?|texts?|sources?|information|content))\b"
        rf"[^.;]{{0,40}}\b(?:do|does|did)(?: not|n't|n’t) {_TOLD_EN}",
    )
]
_MARKS = re.compile(r"(?:\s*\[\d{1,3}\])+")
_MARKS_BEHIND = re.compile(rf"([。.!！?？])({_MARKS.pattern})")
_POLITE = re.compile(
    rf"^(?:{_SORRY}|sorry|i'm sorry|i am sorry)[，,。.!！ ]*$"
    r"|^(?:请|建议|您可以|你可以|如(?:果|需|有)|若|换(?:个|一)|可以换|或(?:者)?上传"
    r"|please|try|you (?:may|can|could)|if you|consider|contact)"
)
_AND_YET = re.compile(r"(?:但是?|不过|然而|只是|but|however|though)[^。.;；]{4,}")


def is_refusal_sentence(sentence: str) -> bool:
    """Whether a sentence says that the documents do not tell, and nothing besides.

    One that cites a passage may say that something is not so: then it must speak of the passages.
    """
    folded = fold(sentence).strip()
    if any(fold(text) in folded for text in _fixed()):
        return True
    patterns = _THOUGH_CITED if _MARKS.search(folded) else _REFUSALS
    found = [match for pattern in patterns if (match := pattern.search(folded))]
    if not found:
        return False
    return not _AND_YET.search(folded[min(match.end() for match in found) :])


def is_refusal(answer: str) -> bool:
    """Whether an answer says that the documents do not tell; polite words beside it do not count.

    An answer that refuses a part of the question and answers another is an answer.
    """
    fixed = [text for text in _fixed() if text in answer]
    rest = answer
    for text in fixed:
        rest = rest.replace(text, "")
    rest = _MARKS_BEHIND.sub(r"\2\1", rest)  # "五天。[1]" is one sentence
    sentences = [rest[start:end] for start, end in split_sentences(rest)]
    refusing = [is_refusal_sentence(sentence) for sentence in sentences]
    return (bool(fixed) or any(refusing)) and all(
        refuses or _is_polite(sentence) for refuses, sentence in zip(refusing, sentences, strict=True)
    )


def needs_no_citation(text: str) -> bool:
    """Whether an answer so far, or its last sentence, refuses though a citation comes next."""
    spans = split_sentences(text)
    return bool(spans) and (is_refusal_sentence(text[slice(*spans[-1])] + "[1]") or is_refusal(text + "[1]"))


def _is_polite(sentence: str) -> bool:
    folded = fold(sentence).strip(" \t。.!！[]0123456789")
    return not folded or bool(_POLITE.search(folded))


def _fixed() -> list[str]:
    return [translate("refusal", language).rstrip("。.") for language in LANGUAGES]
