"""Tokenizers of original checkpoints in native form, with the same ids.

A SentencePiece model of BPE pieces becomes a fast tokenizer when that gives the ids that
SentencePiece gives on the texts of `odd_texts`; else `SentencePieceTokenizer` keeps the model as
it is. GLM-4's vocabulary of tiktoken becomes a fast one, checked against tiktoken.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoints.families import Family, has_tiktoken_vocabulary, read_tokenizer_config
from models.checkpoints.odd_texts import odd_texts
from models.checkpoints.weights import refuse_pointer
from models.errors import CheckpointError

GLM4_SPECIAL_TOKENS = (
    *("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>"),
    *("<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>"),
    *("<|begin_of_video|>", "<|end_of_video|>"),
)
GLM4_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_NORMAL, _USER_DEFINED = 1, 4
_BPE = 2


@dataclass(frozen=True, slots=True)
class ConvertedTokenizer:
    """What was made: its kind, and the ids of its tokens that stop an answer, pad, and open the answer."""

    kind: str
    size: int
    stops: tuple[int, ...]
    pad: int
    start: int | None
    mask: int | None


def convert_tokenizer(
    folder: Path, out: Path, family: Family, extra: Mapping[str, Any], *, vocabulary: int
) -> ConvertedTokenizer:
    """Write the tokenizer of `folder` to `out`; `extra` is added to its configuration.

    `vocabulary` is the number of the model's embeddings, beyond which no id may lie. Raises
    `CheckpointError` when the vocabulary is missing, or is not the family's.
    """
    if family.tokenizer == "tiktoken":
        tokenizer = _tiktoken(folder, family, extra)
        kind = "fast"
    else:
        tokenizer = None if family.tokenizer == "ice" else _fast(folder, family, extra)
        kind = "fast" if tokenizer is not None else "sentencepiece"
        if tokenizer is None:
            tokenizer = _slow(folder, out, family, extra)
    if len(tokenizer) > vocabulary:
        raise _differs(f"it has {len(tokenizer)} tokens, and the model {vocabulary} embeddings")
    tokenizer.save_pretrained(str(out))
    start = family.prefix[-1] if family.prefix else "<sop>" if family.tokenizer == "ice" else None
    return ConvertedTokenizer(
        kind,
        len(tokenizer),
        tuple(_id(tokenizer, token) for token in family.stops),
        _id(tokenizer, tokenizer.pad_token),
        None if start is None else _id(tokenizer, start),
        None if start is None else _id(tokenizer, "[gMASK]"),
    )


def _vocabulary(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise CheckpointError("tokenizer_missing", f"{name} is missing", file=name)
    refuse_pointer(path)
    return path


def _options(extra: Mapping[str, Any], **tokens: str) -> dict[str, Any]:
    return {"padding_side": "left", "clean_up_tokenization_spaces": False, **tokens, **extra}


def _model(folder: Path, name: str) -> tuple[Any, Any]:
    """A SentencePiece model as its processor and as its description."""
    from sentencepiece import SentencePieceProcessor
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    path = _vocabulary(folder, name)
    try:
        data = path.read_bytes()
        processor = SentencePieceProcessor()
        processor.LoadFromSerializedProto(data)
        return processor, ModelProto.FromString(data)
    except Exception as error:  # RuntimeError, or the protocol's own
        raise _differs(f"{name} is no SentencePiece model") from error


def _special(proto: Any) -> dict[str, str]:
    """Unknown, start and end as the model has them; padding is the unknown token, as in training."""
    pieces = [piece.piece for piece in proto.pieces]
    unknown = next(piece.piece for piece in proto.pieces if piece.type == 2)
    return {
        "unk_token": unknown,
        "pad_token": unknown,
        **{role: token for role, token in (("bos_token", "<s>"), ("eos_token", "</s>")) if token in pieces},
    }


def _fast(folder: Path, family: Family, extra: Mapping[str, Any]) -> Any:
    """A fast tokenizer with SentencePiece's ids, or None when it cannot be had."""
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    processor, proto = _model(folder, "tokenizer.model")
    if proto.trainer_spec.model_type != _BPE:
        return None
    inner = _bpe(proto)
    special = _special(proto)
    roles = list(dict.fromkeys(special.values()))
    inner.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in roles])
    defined = [piece.piece for piece in proto.pieces if piece.type == _USER_DEFINED]
    inner.add_tokens([AddedToken(token, special=False, normalized=False) for token in defined])
    if not _agrees(proto, lambda text: list(inner.encode(text).ids), processor.EncodeAsIds, inner):
        return None
    _add_special(inner, family, len(proto.pieces))
    return PreTrainedTokenizerFast(tokenizer_object=inner, **_options(extra, **special))


def _add_special(inner: Any, family: Family, first: int) -> None:
    """Give the tokens that follow the vocabulary their ids, and texts the prefix of the family."""
    from tokenizers import AddedToken
    from tokenizers.processors import TemplateProcessing

    inner.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in family.special_tokens]
    )
    for n, token in enumerate(family.special_tokens):
        if inner.token_to_id(token) != first + n:
            raise _differs(f"{token} has the id {inner.token_to_id(token)}, not {first + n}")
    if family.prefix:
        inner.post_processor = TemplateProcessing(
            single=f"{' '.join(family.prefix)} $A",
            special_tokens=[(token, inner.token_to_id(token)) for token in family.prefix],
        )


def _bpe(proto: Any) -> Any:
    """The pieces, their merges in the order of their scores, and SentencePiece's treatment of spaces."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers

    spec = proto.normalizer_spec
    ids = {piece.piece: n for n, piece in enumerate(proto.pieces)}
    merges = []
    for piece in proto.pieces:
        if piece.type != _NORMAL:
            continue
        text = piece.piece
        for at in range(1, len(text)):
            left, right = text[:at], text[at:]
            if left in ids and right in ids:
                merges.append((-piece.score, ids[left], ids[right], left, right))
    merges.sort(key=lambda merge: merge[:3])
    inner = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=[merge[3:] for merge in merges],
            unk_token=next(piece.piece for piece in proto.pieces if piece.type == 2),
            fuse_unk=True,
            byte_fallback=proto.trainer_spec.byte_fallback,
        )
    )
    steps: list[Any] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend("▁"))
    inner.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    parts: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if spec.add_dummy_prefix:
        parts.append(decoders.Strip(" ", 1, 0))
    inner.decoder = decoders.Sequence(parts)
    return inner


def _agrees(
    proto: Any, ours: Callable[[str], list[int]], theirs: Callable[[str], list[int]], inner: Any
) -> bool:
    inner.encode_special_tokens = True
    pieces = [piece.piece.replace("▁", " ") for piece in proto.pieces if piece.type == _NORMAL]
    defined = [piece.piece for piece in proto.pieces if piece.type == _USER_DEFINED]
    same = all(ours(text) == theirs(text) for text in odd_texts(pieces, defined))
    inner.encode_special_tokens = False
    return same


def _slow(folder: Path, out: Path, family: Family, extra: Mapping[str, Any]) -> Any:
    """A tokenizer that runs SentencePiece."""
    from transformers import AddedToken

    from models.sentencepiece_tokenizer import SentencePieceTokenizer

    name = "ice_text.model" if family.tokenizer == "ice" else "tokenizer.model"
    processor, proto = _model(folder, name)
    kept = out / "tokenizer.model"
    shutil.copyfile(folder / name, kept)
    if family.tokenizer != "ice":
        tokenizer = SentencePieceTokenizer(
            vocab_file=str(kept),
            prefix_tokens=list(family.prefix),
            extra_special_tokens=[AddedToken(token, special=True) for token in family.special_tokens],
            **_options(extra, **_special(proto)),
        )
        for n, token in enumerate(family.special_tokens, len(proto.pieces)):
            if tokenizer.convert_tokens_to_ids(token) != n:
                raise _differs(f"{token} has not the id {n}")
        return tokenizer
    needed = ("[MASK]", "[gMASK]", "<sop>", "<eop>", "<pad>")
    absent = [token for token in needed if processor.IdToPiece(processor.PieceToId(token)) != token]
    if absent:
        raise _differs(f"{name} has no token {absent[0]}")
    return SentencePieceTokenizer(
        vocab_file=str(kept),
        whitespace_tokens=True,
        suffix_tokens=["[gMASK]", "<sop>"],
        extra_special_tokens=[AddedToken(token, special=True) for token in ("[MASK]", "[gMASK]")],
        **_options(
            extra,
            unk_token=_special(proto)["unk_token"],
            bos_token="<sop>",  # noqa: S106
            eos_token="<eop>",  # noqa: S106
            pad_token="<pad>",  # noqa: S106
        ),
    )


def _tiktoken(folder: Path, family: Family, extra: Mapping[str, Any]) -> Any:
    """A fast tokenizer with the ids of a vocabulary of tiktoken."""
    import tiktoken
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    path = _vocabulary(folder, "tokenizer.model")
    if not has_tiktoken_vocabulary(folder):
        raise _differs("tokenizer.model is no vocabulary of tiktoken")
    lines = (line.split() for line in path.read_bytes().splitlines() if line.strip())
    try:
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in lines}
    except ValueError as error:
        raise _differs("tokenizer.model is no vocabulary of tiktoken") from error
    letters = _byte_letters()

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    ids = {spelled(token): rank for token, rank in ranks.items()}
    merges = []
    for token, rank in ranks.items():
        for at in range(1, len(token)):
            left, right = token[:at], token[at:]
            if left in ranks and right in ranks:
                merges.append((rank, ranks[left], ranks[right], left, right))
    merges.sort(key=lambda merge: merge[:3])
    inner = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=[(spelled(left), spelled(right)) for *_, left, right in merges],
            ignore_merges=True,
        )
    )
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GLM4_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    reference = tiktoken.Encoding("glm4", pat_str=GLM4_PATTERN, mergeable_ranks=ranks, special_tokens={})
    words = [token.decode("utf-8", errors="ignore") for token in ranks]
    for text in odd_texts(words, []):
        if list(inner.encode(text).ids) != reference.encode_ordinary(text):
            raise _differs(f"a fast tokenizer reads {text!r} otherwise than tiktoken")
    special = _added_tokens(folder) or dict(enumerate(GLM4_SPECIAL_TOKENS, max(ranks.values()) + 1))
    for index, name in sorted(special.items()):
        inner.add_special_tokens([AddedToken(name, special=True, normalized=False)])
        if inner.token_to_id(name) != index:
            raise _differs(f"{name} has the id {inner.token_to_id(name)}, not {index}")
    _add_special(inner, family, 0)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=inner, **_options(extra, eos_token=end, pad_token=end))


def _added_tokens(folder: Path) -> dict[int, str]:
    added = read_tokenizer_config(folder).get("added_tokens_decoder") or {}
    return {int(index): str(token["content"]) for index, token in added.items()}


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in a byte-level vocabulary, as GPT-2 defined it."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = iter(range(0x100, 0x200))
    return [chr(byte) if byte in shown else chr(next(hidden)) for byte in range(256)]


def _id(tokenizer: Any, token: str) -> int:
    index = tokenizer.convert_tokens_to_ids(token)
    if index is None or tokenizer.convert_ids_to_tokens(index) != token:
        raise _differs(f"it has no token {token}")
    return int(index)


def _differs(reason: str) -> CheckpointError:
    return CheckpointError("tokenizer_differs", f"the tokenizer is not the family's: {reason}", reason=reason)
