"""Makes transformers know the models that it has no class for, so that its Auto classes load them."""

from __future__ import annotations

from functools import cache


@cache
def register() -> None:
    """Register the models and the tokenizer of this project with transformers; once is enough."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from models.alibi_llama import AlibiLlamaConfig, AlibiLlamaForCausalLM
    from models.chatglm_6b import ChatGLM6BConfig, ChatGLM6BForConditionalGeneration
    from models.sentencepiece_tokenizer import SentencePieceTokenizer

    for config, model in (
        (AlibiLlamaConfig, AlibiLlamaForCausalLM),
        (ChatGLM6BConfig, ChatGLM6BForConditionalGeneration),
    ):
        AutoConfig.register(config.model_type, config)
        AutoModelForCausalLM.register(config, model)
        AutoTokenizer.register(config, tokenizer_class=SentencePieceTokenizer)


def quieten() -> None:
    """Keep transformers from drawing bars and giving advice, which commands have no place for."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
