"""The texts that a language model is given, from files, in both languages, checked when they are read.

A file `answer.zh.txt` holds the instructions over documents, `chat.zh.txt` those of a plain chat;
`.en.txt` likewise. `{passages}` is where the numbered passages go and `{refusal}` is the sentence for
what they do not say. A folder with files of these names takes the place of ours, for all knowledge
bases or for some; a file it lacks is ours. The instructions that are stored with a knowledge base take
the place of both, in either language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import PromptError, SettingsError
from app.messages import LANGUAGES, Language

_FOLDER = Path(__file__).parent / "prompts"
EVERY = "*"
"""Stands for all knowledge bases in the setting `answering.prompts`."""

_VARIABLE = re.compile(r"\{(\w+)\}")
_KNOWN = {"answer": ({"passages"}, {"passages", "refusal"}), "chat": (set[str](), set[str]())}
"""By file: the variables that must be in it, and those that may."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """Instructions by language, for answers from documents and for plain chat."""

    answer: Mapping[Language, str]
    chat: Mapping[Language, str]


class PromptFiles:
    """The prompts of the settings: ours, and what takes their place in some knowledge bases."""

    def __init__(self, folders: Mapping[str, Path] | None = None) -> None:
        """Read and check all files. Raises `SettingsError` naming the file and what is wrong in it."""
        shipped = Prompts(
            *({language: _read(_FOLDER, name, language) for language in LANGUAGES} for name in _KNOWN)
        )
        folders = dict(folders or {})
        common = folders.pop(EVERY, None)
        self._common = _override(shipped, common, EVERY) if common else shipped
        self._own = {name: _override(self._common, folder, name) for name, folder in folders.items()}

    def of(self, knowledge_bases: Sequence[str], stored: Mapping[str, str] | None = None) -> Prompts:
        """The prompts for a question over these; their own only where all of them share it.

        `stored` are the instructions that knowledge bases have of their own, by name.
        """
        own = [self._own.get(name, self._common) for name in knowledge_bases]
        for at, name in enumerate(knowledge_bases):
            if stored and name in stored:
                own[at] = replace(own[at], answer=dict.fromkeys(LANGUAGES, stored[name]))
        return own[0] if own and all(prompts == own[0] for prompts in own) else self._common


def check_prompt(text: str) -> None:
    """Raise `PromptError` for instructions over documents without passages or with unknown variables."""
    if reason := _wrong_variables(text, "answer"):
        raise PromptError(f"the prompt {reason}", reason=reason)


def _override(base: Prompts, folder: Path, name: str) -> Prompts:
    if not folder.is_dir():
        raise _wrong(name, f"{folder} is no folder")
    files = {(kind, language): folder / _name(kind, language) for kind in _KNOWN for language in LANGUAGES}
    if not any(path.is_file() for path in files.values()):
        wanted = ", ".join(path.name for path in files.values())
        raise _wrong(name, f"{folder} holds none of {wanted}")
    texts = {key: _read(folder, *key) for key, path in files.items() if path.is_file()}
    return Prompts(
        {language: texts.get(("answer", language), base.answer[language]) for language in LANGUAGES},
        {language: texts.get(("chat", language), base.chat[language]) for language in LANGUAGES},
    )


def _read(folder: Path, kind: str, language: Language) -> str:
    path = folder / _name(kind, language)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise _wrong(kind, f"{path} cannot be read: {error}") from error
    if reason := _wrong_variables(text, kind):
        raise _wrong(kind, f"{path} {reason}")
    return text


def _wrong_variables(text: str, kind: str) -> str:
    """What is wrong with the variables of a prompt; empty when nothing is."""
    required, allowed = _KNOWN[kind]
    found = set(_VARIABLE.findall(text))
    if missing := required - found:
        return f"lacks {_listed(missing)}"
    if unknown := found - allowed:
        return f"has {_listed(unknown)}, which means nothing; known: {_listed(allowed) or 'none'}"
    return ""


def _name(kind: str, language: Language) -> str:
    return f"{kind}.{language}.txt"


def _listed(names: set[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))


def _wrong(name: str, reason: str) -> SettingsError:
    key = f"answering.prompts.{name}"
    return SettingsError(f"setting {key}: {reason}", key=key, reason=reason)
