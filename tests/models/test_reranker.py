"""The reranker, on a tiny random CrossEncoder made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelNotFoundError
from models.reranker import CrossEncoderReranker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    target = tmp_path_factory.mktemp("reranker")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"年假几天五报销十日内"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(target)
    import torch

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(target)
    return target


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scores_are_those_of_the_model_in_the_order_given(folder: Path) -> None:
    from sentence_transformers import CrossEncoder

    passages = ["年假五天", "十日内报销", "五天"]
    expected = CrossEncoder(str(folder)).predict([("年假几天", passage) for passage in passages])
    reranker = CrossEncoderReranker(folder)
    assert np.allclose(reranker.scores("年假几天", passages), expected, atol=1e-6)
    assert np.allclose(reranker.scores("年假几天", passages[::-1]), expected[::-1], atol=1e-6)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="CrossEncoder"):
        CrossEncoderReranker(tmp_path)
