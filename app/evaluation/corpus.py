"""Where questions are asked: a temporary knowledge base, or the user's own as they are."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.composition import build_service
from app.errors import SourcesNotFoundError
from app.evaluation.configurations import AS_IT_IS, splitter_settings
from app.evaluation.question_sets import Question, QuestionSet
from app.service import Service
from app.settings import Settings
from models.embedder import Embedder

_KNOWLEDGE_BASE = "evaluation"
_BLOCK = 1 << 20
_MOST_NAMED = 10
"""Documents that are not there, in an error."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents that are ready to be asked."""

    service: Service
    weighted: Callable[[tuple[float, float]], Service]
    """Another service over the same documents, to be closed."""
    splitter: str
    knowledge_bases: tuple[str, ...]
    names: Mapping[str, frozenset[str]]
    """Ids of the documents by their names; several knowledge bases may have the same name."""
    left_out: frozenset[str]
    """Names of the documents that were held out."""
    failed: int = 0
    """Documents that could not be ingested."""
    among: frozenset[str] | None = None
    """Ids of the only documents to be searched; None for all."""
    seconds: Mapping[str, float] = field(default_factory=dict)

    def gold(self, question: Question) -> frozenset[str] | None:
        """Ids of the documents that answer a question; None where it names none."""
        if not question.sources:
            return None
        return frozenset(i for name in question.sources for i in self.names.get(name, ()))

    def answerable(self, question: Question) -> bool:
        """Whether the question is to be answered: a source that failed counts as not found."""
        return question.answerable and not (
            question.sources and all(name in self.left_out for name in question.sources)
        )


def held_out(key: str, share: float) -> bool:
    """Whether what `key` names is left out: the same ones each time, about `share` of all."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") < share * 2**32


@dataclass(frozen=True, slots=True)
class Corpora:
    """Makes the corpora of a question set."""

    settings: Settings
    questions: QuestionSet
    knowledge_bases: tuple[str, ...]
    hold_out: float
    service: Callable[[], Service]
    """The user's own service, made when it is asked for."""

    def as_it_is(self) -> Corpus:
        """The user's knowledge bases, which are only read; held out is what a filter leaves out."""
        service = self.service()
        names: defaultdict[str, set[str]] = defaultdict(set)
        for knowledge_base in self.knowledge_bases:
            for info in service.documents(knowledge_base):
                names[info.name].add(info.id)
        aliases = self._aliases(names)
        left_out = frozenset(name for name in names if held_out(name, self.hold_out))
        among = None
        if left_out:
            among = frozenset(i for name, ids in names.items() if name not in left_out for i in ids)
        return Corpus(
            service,
            lambda weights: build_service(self.settings, embedder=service.embedder(), weights=weights),
            AS_IT_IS,
            self.knowledge_bases,
            {name: frozenset(names[aliases.get(name, name)]) for name in (*names, *aliases)},
            _with_aliases(left_out, aliases),
            among=among,
        )

    @contextmanager
    def ingested(self, splitter: str, *, embedder: Embedder | None, progress: Progress) -> Iterator[Corpus]:
        """A temporary knowledge base made with another splitter; nothing of it remains."""
        documents = self._documents()
        with tempfile.TemporaryDirectory(prefix="zhiwen-evaluation-", ignore_cleanup_errors=True) as folder:
            settings = self.settings.model_copy(
                update={
                    "data_dir": Path(folder),
                    "splitter": splitter_settings(splitter, self.settings.splitter),
                }
            )
            models = self.settings.models_folder
            service = build_service(settings, model_folder=models, embedder=embedder)
            try:
                service.warm_up()  # so that loading the model does not count as embedding
                left_out = frozenset(
                    name for name, (key, _) in documents.items() if held_out(key, self.hold_out)
                )
                aliases = self._aliases(documents)
                names, failed = _ingest(
                    service, {n: read for n, (_, read) in documents.items() if n not in left_out}, progress
                )
                yield Corpus(
                    service,
                    lambda weights: build_service(
                        settings, model_folder=models, embedder=service.embedder(), weights=weights
                    ),
                    splitter,
                    (_KNOWLEDGE_BASE,),
                    {**names, **{name: names[full] for name, full in aliases.items() if full in names}},
                    _with_aliases(left_out, aliases),
                    failed=failed,
                    seconds=service.ingestion_seconds(),
                )
            finally:
                service.close()

    def _documents(self) -> dict[str, tuple[str, Callable[[], Iterable[bytes]]]]:
        """By name, what decides whether a document is held out, and its bytes."""
        if self.questions.documents is not None:
            return {n: (text, partial(_encoded, text)) for n, text in self.questions.documents.items()}
        service = self.service()
        found: dict[str, tuple[str, Callable[[], Iterable[bytes]]]] = {}
        for knowledge_base in self.knowledge_bases:
            for info in service.documents(knowledge_base):
                path = service.document_file(knowledge_base, info.id)
                # Of a name in several knowledge bases the last stands for all.
                found[info.name] = (info.name, partial(_blocks, path))
        self._aliases(found)
        return found

    def _aliases(self, names: Collection[str]) -> dict[str, str]:
        """Documents by what the questions call them without the folder that they were uploaded with.

        Raises `SourcesNotFoundError` where none, or more than one, is meant.
        """
        named = {source for question in self.questions.questions for source in question.sources}
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            alike[name.rpartition("/")[2]].append(name)
        aliases = {source: alike[source][0] for source in named - set(names) if len(alike[source]) == 1}
        if missing := sorted(named - set(names) - set(aliases)):
            documents = ", ".join(missing[:_MOST_NAMED])
            raise SourcesNotFoundError(
                f"no such document: {documents}", name=self.questions.name, documents=documents
            )
        return aliases


def _with_aliases(left_out: frozenset[str], aliases: Mapping[str, str]) -> frozenset[str]:
    return left_out | {alias for alias, name in aliases.items() if name in left_out}


def _encoded(text: str) -> list[bytes]:
    return [text.encode()]


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def _ingest(
    service: Service, documents: Mapping[str, Callable[[], Iterable[bytes]]], progress: Progress
) -> tuple[dict[str, frozenset[str]], int]:
    """Ids by name, and how many documents failed."""
    service.create_knowledge_base(_KNOWLEDGE_BASE)
    files = [service.store(name, read(), check=False) for name, read in documents.items()]
    results = service.ingest(
        _KNOWLEDGE_BASE, files, progress=lambda at: progress(f"{at.stage} {at.file + 1}/{at.files}")
    )
    names = {
        name: frozenset([result.document.id])
        for name, result in zip(documents, results, strict=True)
        if result.document is not None
    }
    return names, len(documents) - len(names)
