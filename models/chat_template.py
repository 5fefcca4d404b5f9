"""A model's own chat template, rendered so that texts and markers stay apart.

The template runs over placeholders. Only its own words may be special tokens; between two of them
template and texts are one run of text, encoded together, so that ordinary conversations get the
ids that rendering everything at once would give.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from models.prompt_tokens import control_ids

_PLACEHOLDER = re.compile("\ue000(\\d+)\ue001")


def template_segments(tokenizer: Any, messages: Sequence[tuple[str, str]]) -> list[str | int]:
    """Runs of text and ids of control tokens for (role, text) pairs, ready for the answer.

    A template that knows no role "system" gets the system text in the first question.
    """
    from jinja2 import TemplateError

    try:
        return _segments(tokenizer, messages)
    except TemplateError:
        if not messages or messages[0][0] != "system":
            raise
    (_, system), (role, text), *rest = messages
    return _segments(tokenizer, [(role, f"{system}\n\n{text}"), *rest])


def _segments(tokenizer: Any, messages: Sequence[tuple[str, str]]) -> list[str | int]:
    turns = [{"role": role, "content": f"\ue000{n}\ue001"} for n, (role, _) in enumerate(messages)]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    control = {tokenizer.convert_ids_to_tokens(index): index for index in control_ids(tokenizer)}
    markers = "|".join(re.escape(token) for token in sorted(control, key=len, reverse=True))
    segments: list[str | int] = []
    run = ""
    # Odd parts are the numbers of placeholders.
    for n, part in enumerate(_PLACEHOLDER.split(rendered)):
        if n % 2:
            run += messages[int(part)][1]
            continue
        start = 0
        for match in re.finditer(markers, part) if markers else ():
            run += part[start : match.start()]
            segments += [run, control[match[0]]] if run else [control[match[0]]]
            run, start = "", match.end()
        run += part[start:]
    return [*segments, run] if run else segments
