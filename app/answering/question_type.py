"""What a question asks for: a person, a time, a place, a number, a reason…

Rules over the interrogatives of Chinese and English, on text folded by `vectorstore.chinese.fold`
(simplified, lower case, half-width). A sentence that answers holds a candidate of the kind asked
for which the question does not name itself; `candidates` finds such spans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

QuestionKind = Literal[
    "reason", "time", "number", "person", "place", "list", "definition", "manner", "name", "other"
]
KINDS: tuple[QuestionKind, ...] = get_args(QuestionKind)

_HAN = "\u3400-\u9fff"
_HAN_NUMBER = "一二三四五六七八九十百千万亿零〇两"
_MEASURE = (
    "个项种类家座条部本款位名所支只场届次颗幅首间处份片件张门批步段股级层对组集篇句道艘架辆台枚块群派任方"
)
# 在哪 asks for a place unless a measure word makes it 在哪一年, 在哪个比赛.
_NO_MEASURE = "(?![一个年天月日座所次场届位些种间家本部方])"

# In this order: the first kind whose interrogative stands in the question decides.
_INTERROGATIVES: tuple[tuple[QuestionKind, str], ...] = (
    (
        "reason",
        r"(?<![称作视成名认列是因定命])为什么|因为什么|为何|为啥|原因|因何|何以|缘何|理由|怎么会|\bwhy\b|\breasons?\b",
    ),
    (
        "time",
        r"什么时[候间期代刻段]|何时|何年|何月|何日|哪[一1个]*[年天日月]|哪[一个]*(?:世纪|年代|时[候间期代刻]|朝代?|季节|星期)"
        r"|几[年月日号时点](?!级)|多[久早]|多长时间|什么(?:年代|日期|朝代|季节)|多少[年天]|(?:时间|日期)是"
        r"|\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|time)\b|\bhow long\b",
    ),
    (
        "number",
        r"多少|几(?!乎|何学)|多[长高大远重宽深快厚]|(?:数[量目]|人数)是"
        r"|\bhow (?:many|much|far|tall|big|high|large|old|deep|wide|fast|often)\b"
        r"|\bwhat (?:percentage|number|price|amount)\b",
    ),
    ("person", r"谁|哪[一几]?[位名]|何人|什么人|哪[一个些]*人(?![种类口员])|什么名字|\bwho(?:m|se)?\b"),
    (
        "place",
        r"哪里|哪儿|何处|何地|什么地[方区点]|什么位置|哪[一个些座]*(?:国家?|城市?|地[区方点]|省份?|市|县|州|镇|村|岛|大?洲|区)"
        rf"|[在到于从往去]哪[里儿]?{_NO_MEASURE}|位于|地点是|\bwhere\b"
        r"|\b(?:what|which) (?:country|city|place|state|town)\b",
    ),
    ("list", r"哪些|哪几|分别|哪[两二三四五]|有什么|哪方面|\bwhich of\b|\bwhat are\b|\blist\b"),
    (
        "definition",
        r"什么是|何谓|(?:是|指|叫)(?:的是)?什么[?]?$|指什么|定义|含义|意思|\bwhat (?:is|does)\b",
    ),
    ("manner", r"怎么|如何|怎样|什么样|\bhow\b"),
    ("name", r"哪|什么|何|啥|\b(?:what|which)\b"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _INTERROGATIVES)

_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢傅钟"
    "姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严赖覃洪武莫孔"
)
_TITLES = (
    "总统|主席|总理|首相|皇帝|国王|女王|公爵|伯爵|将军|教授|博士|先生|女士|导演|编剧|作家|作者|诗人|画家|建筑师|工程师"
    "|设计师|科学家|学者|演员|歌手|部长|市长|县长|院长|校长|会长|创始人|创办人|经理|负责人|主任|主管|专员|管理员|队长|教练"
    "|球员|皇后|公主|王子|父亲|母亲|妻子|丈夫|儿子|女儿|弟弟|哥哥|部门|部|公司|委员会"
)
_PLACES = (
    "省|市|县|州|区|镇|乡|村|岛|国|洲|洋|海|江|河|湖|山|路|街|港|湾|城|寺|庙|宫|楼|室|厅"
    "|大学|学院|机场|车站|平原|高原|盆地"
)
_CANDIDATES: dict[QuestionKind, re.Pattern[str]] = {
    "time": re.compile(
        rf"(?:公元前?|前|民国)?[0-9{_HAN_NUMBER}元]+(?:年代|年|世纪|月|日|号|时|点|小时|分钟|周|个月|天|个工作日)[初末底中]?"
        rf"|[春夏秋冬][季天]|[唐宋元明清汉秦晋隋][朝代]|星期[一二三四五六日天]|周[一二三四五六日]"
        rf"|\b[0-9]{{1,2}}:[0-9]{{2}}\b|\b[0-9]{{4}}(?:-[0-9]{{1,2}}){{1,2}}\b|\b(?:1[0-9]|20)[0-9]{{2}}\b"
        rf"|\b(?:{_MONTHS})\b|\b[0-9]+ (?:days?|weeks?|months?|years?|hours?|minutes?)\b"
    ),
    "number": re.compile(
        rf"(?:第|约|逾|近|超过|百分之)?(?:[0-9][0-9,.]*(?:[%‰]|[{_HAN_NUMBER}]*)|[{_HAN_NUMBER}]+(?=[^{_HAN_NUMBER}\s,。、;)])|半)"
        r"(?:[多余几]?(?:公里|平方公里|平方米|公尺|英里|公斤|公顷|千米|[^\W\d_]))?"
    ),
    "person": re.compile(
        rf"[{_HAN}]{{1,6}}·[{_HAN}·]{{1,12}}|(?:{_TITLES})|(?<![{_HAN}])[{_SURNAMES}][{_HAN}]{{1,2}}"
        rf"|[{_SURNAMES}][{_HAN}]{{1,2}}(?=[,。、;(和与及的等在是于为说])"
    ),
    "place": re.compile(rf"(?:位于|坐落|地处|出生于|生于|在)[{_HAN}]{{2}}|[{_HAN}]{{1,5}}(?:{_PLACES})"),
    "reason": re.compile(
        rf"因为|由于|因此|因而|所以|导致|致使|使得|为了|原因|以致|从而|因[{_HAN}]"
        r"|\b(?:because|since|due to|so that|therefore)\b"
    ),
    "manner": re.compile(
        rf"通过|利用|采用|使用|首先|其次|然后|最后|第一步|方法|方式|步骤|以[{_HAN}]{{2,8}}[来的]|经由|借助|把|将|须|需|应"
        r"|\b(?:by|using|first|then|must)\b"
    ),
    "list": re.compile(
        r"、|分别|包括|包含|以及|等等?|\([一二三四1-9]\)|第[一二三]|[①-⑩]|\band\b|\bsuch as\b"
    ),
    "definition": re.compile(rf"是[{_HAN}]|即|指的?是?|称为|又称|简称|意思|意为|定义|\bis an?\b|\bmeans?\b"),
    "name": re.compile(
        rf"《[^》]+》|「[^」]+」|“[^”]+”|『[^』]+』|\b[a-z][a-z0-9.-]+\b|[{_HAN}]{{1,6}}·[{_HAN}]+"
    ),
}
_LEADING_MEASURE = re.compile(rf"^一?[{_MEASURE}](?=.)")
_FOCUS = re.compile(rf"[{_HAN}]{{1,4}}|[a-z]+")


@dataclass(frozen=True, slots=True)
class QuestionType:
    """The kind of answer asked for and where the interrogative stands (`start` to `end`).

    `focus` is what follows it: mostly what the answer is an instance of (哪本**杂志**) or is counted
    in (多少**公里**); `before` is the character in front.
    """

    kind: QuestionKind
    start: int
    end: int
    focus: str = ""
    before: str = ""


def classify(question: str) -> QuestionType:
    """Tell what a folded question asks for; one without an interrogative is of kind "other"."""
    for kind, pattern in _COMPILED:
        found = pattern.search(question)
        if found is None:
            continue
        rest = question[found.end() :].lstrip()
        if found[0].endswith("哪"):
            rest = _LEADING_MEASURE.sub("", rest)
        focus = _FOCUS.match(rest)
        return QuestionType(
            kind,
            found.start(),
            found.end(),
            focus=focus[0] if focus else "",
            before=question[max(0, found.start() - 1) : found.start()],
        )
    return QuestionType("other", len(question), len(question))


def candidates(kind: QuestionKind, sentence: str) -> list[tuple[int, int]]:
    """Spans of a folded sentence that could be an answer of this kind, or that announce one."""
    pattern = _CANDIDATES.get(kind)
    return [found.span() for found in pattern.finditer(sentence)] if pattern else []
