"""Whether two questions ask the same, in whatever words they ask it.

Only the words that ask and that fill are free: 怎么 and 如何, 是多少 and 有多少, a 请问. Every other
word may be the one that matters: SG-100 or SG-200, 上海 or 成都, 能 or 不能.
"""

from __future__ import annotations

import re
from collections import Counter

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
_FILLING = re.compile(
    r"请问|告诉我|一下|应该|应当|能够|可以|[的了是有在我你您吗呢吧啊呀能需要]"
    r"|\b(?:the|an?|of|to|in|on|at|for|is|are|was|were|be|do|does|did|can|could|should|may|will|i|we|you"
    r"|my|our|your|it|there|please)\b"
)


def same_question(one: str, other: str) -> bool:
    """Whether two questions differ in nothing but their order and the words that ask and fill."""
    words = _words(one)
    return bool(words) and words == _words(other)


def _words(question: str) -> Counter[str]:
    """How often a folded question holds each Chinese character, each other word, each thing asked for."""
    folded = fold(question)
    for pattern, form in _FORMS:
        folded = pattern.sub(form, folded)
    return Counter(term for term in terms(_FILLING.sub(" ", folded)) if len(term) == 1 or not is_han(term))
