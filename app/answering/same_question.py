"""Whether two questions ask the same, in whatever words they ask it.

Only the words that ask and that fill are free: 怎么 and 如何, 是多少 and 有多少, a 请问. Every other
word may be the one that matters: SG-100 or SG-200, 上海 or 成都, 能 or 不能.
"""

from __future__ import annotations

import re

from vectorstore.chinese import fold, is_han, terms

_FORMS = tuple(
    (re.compile(pattern), f" {form} ")
    for form, pattern in (
        ("", r"是不是|有没有|能不能|可不可以|要不要|会不会|是否|能否|可否"),
        ("why", r"为什么|为何|为啥|因何"),
        ("when", r"什么时[候间]|何时|几时"),
        ("where", r"什么地[方点]|哪里|哪儿|何处|何地"),
        ("who", r"什么人|哪[一个些]*人|哪[一几]?位|谁"),
        ("howlong", r"多长时间|多久|\bhow long\b"),
        ("howmany", r"多少|几(?!乎|何)|\bhow (?:many|much)\b"),
        ("how", r"怎么样?|怎样|如何"),
        ("what", r"哪[些个种几]|什么|\bwhich\b"),
    )
)
"""One form for all ways to ask for a reason, a time…, in the order in which they are looked for."""
_ASKED = {form.strip() for _, form in _FORMS} - {"who"}
_FILLING = re.compile(
    r"请问|告诉我|一下|应该|应当|能够|可以|[的了是有在我你您吗呢吧啊呀能需要]"
    r"|\b(?:the|an?|of|to|in|on|at|for|is|are|was|were|be|do|does|did|can|could|should|may|will|i|we|you"
    r"|my|our|your|it|there|please)\b"
)


def same_question(one: str, other: str) -> bool:
    """Whether two questions differ in nothing but the words that ask and fill, and the part they begin with.

    怎么申请年假 and 年假怎么申请 are the same; 甲方付给乙方 and 乙方付给甲方 are not, nor are 谁批准张三 and
    张三批准谁.
    """
    asked, words = _parts(one)
    also_asked, other_words = _parts(other)
    if not words or sorted(asked) != sorted(also_asked) or len(words) != len(other_words):
        return False
    turned = f" {' '.join(words)} {' '.join(words)} "
    return f" {' '.join(other_words)} " in turned


def _parts(question: str) -> tuple[list[str], list[str]]:
    """What a folded question asks for, and its Chinese characters and other words in their order.

    Who does and who is done to stand in their places, so 谁 counts among the latter.
    """
    folded = fold(question)
    for pattern, form in _FORMS:
        folded = pattern.sub(form, folded)
    found = [term for term in terms(_FILLING.sub(" ", folded)) if len(term) == 1 or not is_han(term)]
    asked = [term for term in found if term in _ASKED]
    words = [term for term in found if term not in _ASKED]
    return asked, words
