"""Texts on which tokenizers tend to differ."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_TEXTS = (
    *("", " ", "  ", "\n", "\t", "\r\n", " \n ", "a", "A ", " a", "  a  b   c", "\n\n\n", "   x\n   y"),
    *(
        "知识库问答",
        "知 识　库",
        "《规定》第十二条：试用期不超过六个月。",
        "１２３ＡＢＣ",
        "㎏ ½ ﬁ Å",
        "café cafe\u0301",
    ),
    *(
        "don't I'LL they've",
        "3.14159 1,000,000 2024-05-17",
        "https://例子.中国/a?b=c&d=e#f",
        "x = y[0] ** 2  # 注",
    ),
    *("😀👩‍👩‍👧‍👦🇨🇳", "\u200b\u200d\ufeff零宽", "繁體中文與简体中文", "𠮷野家 𪚥", "ภาษาไทย العربية हिन्दी"),
    *("▁", "▁▁a", "a▁b", "<0x0A>", "<s>文</s>", "<unk>", "[gMASK]sop", "<|user|>\n你好<|assistant|>"),
    *(
        "<reserved_106>",
        "￥100％",
        "……——",
        "“引号”‘单’",
        "０.５",
        "\x00\x07",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "的的的的的的的",
    ),
    "def f(x):\n    return [i for i in range(x) if i % 2 == 0]\n",
    "| 甲 | 乙 |\n| --- | --- |\n| 1 | 2 |",
)


def odd_texts(pieces: Sequence[str], symbols: Sequence[str], *, count: int = 4000) -> Iterator[str]:
    """Fixed odd texts, then `count` texts put together from pieces of the vocabulary and its symbols.

    The same texts for the same vocabulary, every time.
    """
    yield from _TEXTS
    if not pieces:
        return
    chance = random.Random(20240517)  # noqa: S311
    separators = ("", "", "", " ", "  ", "\n", "，", "1")
    for n in range(count):
        parts = chance.choices(pieces, k=chance.randint(1, 8))
        if symbols and n % 4 == 0:
            parts.insert(chance.randrange(len(parts) + 1), chance.choice(symbols))
        yield chance.choice(separators).join(parts)
