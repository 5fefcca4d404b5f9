"""The embedder of the settings, and those that knowledge bases were made with before it changed.

A knowledge base goes on with its own embedder until it is rebuilt: the catalogue keeps how the
settings named each, so that it can be loaded again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, union

from knowledge_base.catalogue import KnowledgeBaseKey
from knowledge_base.database import Database
from knowledge_base.errors import EmbedderChangedError
from knowledge_base.tables import embedders, generations, knowledge_bases
from models.errors import ModelError, ModelUnavailableError

if TYPE_CHECKING:
    from models.embedder import Embedder

logger = logging.getLogger(__name__)


class Embedders:
    """Gives each knowledge base the embedder of its vectors. Called, it gives that of the settings.

    `name` is how the settings name theirs (None: not by any name, so that it cannot be had again),
    and `load` gives the embedder of a name, raising a `ModelError`.
    """

    def __init__(
        self,
        database: Database,
        chosen: Callable[[], Embedder],
        *,
        name: str | None = None,
        load: Callable[[str], Embedder] | None = None,
    ) -> None:
        self._database = database
        self._chosen = chosen
        self._name = name
        self._load = load
        self._lock = threading.Lock()
        self._former: dict[str, Embedder] = {}
        self._remembered = name is None

    def __call__(self) -> Embedder:
        """The embedder of the settings, loaded."""
        return self._chosen()

    def of(self, key: KnowledgeBaseKey) -> Embedder:
        """The embedder whose vectors the knowledge base holds; that of the settings while it is empty.

        Raises `EmbedderChangedError` when it is another one and cannot be loaded any more.
        """
        chosen = self._chosen()
        if key.embedder in {"", chosen.fingerprint}:
            return chosen
        with self._lock:
            if key.embedder not in self._former:
                self._former[key.embedder] = self._loaded(key)
            return self._former[key.embedder]

    def remember(self) -> None:
        """Keep how the embedder of the settings is named, before the first vector of it is stored."""
        if self._remembered:
            return
        fingerprint = self._chosen().fingerprint
        same = embedders.c.fingerprint == fingerprint
        with self._database.read() as connection:
            known = connection.execute(select(embedders.c.name).where(same)).scalar()
        if known != self._name:
            with self._database.write() as connection:
                connection.execute(delete(embedders).where(same))
                connection.execute(insert(embedders).values(fingerprint=fingerprint, name=self._name))
        self._remembered = True

    def release(self) -> None:
        """Let go of those that no knowledge base is searched with any more."""
        with self._database.read() as connection:
            needed = select(knowledge_bases.c.embedder)
            self._keep(set(connection.execute(needed).scalars()))
            kept = union(needed, select(generations.c.embedder))
            # That of the settings may be about to be used.
            chosen = embedders.c.fingerprint == self._chosen().fingerprint
            forgotten = ~chosen & embedders.c.fingerprint.not_in(kept)
            stale = connection.execute(select(embedders.c.fingerprint).where(forgotten)).first()
        if stale is not None:
            with self._database.write() as connection:
                connection.execute(delete(embedders).where(forgotten))

    def _keep(self, fingerprints: Collection[str]) -> None:
        with self._lock:
            self._former = {name: made for name, made in self._former.items() if name in fingerprints}

    def _loaded(self, key: KnowledgeBaseKey) -> Embedder:
        with self._database.read() as connection:
            same = embedders.c.fingerprint == key.embedder
            name = connection.execute(select(embedders.c.name).where(same)).scalar()
        if name is None or self._load is None:
            raise _gone(key, "")
        logger.info("knowledge base %d goes on with its own embedder until it is rebuilt", key.id)
        try:
            embedder = self._load(name)
            fingerprint = embedder.fingerprint
        except ModelUnavailableError:
            raise
        except ModelError as error:
            raise _gone(key, name) from error
        if fingerprint != key.embedder:  # the model of that name has been changed
            raise _gone(key, name)
        return embedder


def _gone(key: KnowledgeBaseKey, embedder: str) -> EmbedderChangedError:
    return EmbedderChangedError(
        f"{key.name!r} was made with an embedder that cannot be loaded; rebuild it first",
        name=key.name,
        embedder=embedder or key.embedder,
    )
