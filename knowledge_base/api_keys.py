"""Keys of the HTTP interface: made, listed, revoked and checked.

A key is 256 random bits, so its SHA-256 tells nobody anything: there is no list of likely keys that
could be tried, as with passwords, and so nothing for a slow hash to slow down.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from knowledge_base.catalogue import Catalogue
from knowledge_base.clock import now
from knowledge_base.errors import KeyNotFoundError
from knowledge_base.names import knowledge_base_name
from knowledge_base.tables import api_keys, knowledge_bases

Role = Literal["reader", "editor", "admin"]
ROLES: tuple[Role, ...] = ("reader", "editor", "admin")
"""From the least right to the most: each includes those before it."""

_PREFIX = "zw"
_KEPT_SECONDS = 1.0
"""How long the keys read are relied on: one revoked by another process ends within that."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed; its secret is shown once, when it is made."""

    id: str
    name: str
    role: Role
    knowledge_base_ids: frozenset[int] | None
    """None: all knowledge bases, also those made later."""
    created_at: datetime
    revoked_at: datetime | None


class ApiKeys:
    """The keys in the catalogue. Safe to be called from several threads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._known: dict[str, tuple[ApiKey, bytes]] = {}

    def create(
        self, name: str, *, role: Role = "reader", names: Sequence[str] | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key for the knowledge bases of these `names`, or for all; returns it and its secret text.

        Raises `KnowledgeBaseNotFoundError` and `InvalidNameError`.
        """
        name = knowledge_base_name(name)
        ids = None if names is None else sorted({self._catalogue.key(each).id for each in names})
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        with self._catalogue.database.write() as connection:
            connection.execute(
                insert(api_keys).values(
                    id=key_id,
                    name=name,
                    role=role,
                    knowledge_bases=ids,
                    digest=_digest(secret),
                    created_at=now(),
                )
            )
        self._forget()
        return self.key(key_id), f"{_PREFIX}_{key_id}_{secret}"

    def list(self) -> Sequence[ApiKey]:
        """All keys by age, revoked ones too."""
        self._forget()
        return [key for key, _ in self._keys().values()]

    def key(self, key_id: str) -> ApiKey:
        """One key. Raises `KeyNotFoundError`."""
        found = self._keys().get(key_id)
        if found is None:
            raise KeyNotFoundError(f"there is no key {key_id!r}", id=key_id)
        return found[0]

    def revoke(self, key_id: str) -> ApiKey:
        """End a key: it opens nothing any more, here at once and in another process within a second."""
        self._forget()
        if self.key(key_id).revoked_at is None:
            with self._catalogue.database.write() as connection:
                connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now()))
        self._forget()
        return self.key(key_id)

    def needed(self) -> bool:
        """Whether a key was ever made. Revoking the last one opens nothing to everybody."""
        return bool(self._keys())

    def usable(self) -> bool:
        """Whether there is a key that opens something."""
        return any(key.revoked_at is None for key, _ in self._keys().values())

    def check(self, text: str) -> ApiKey | None:
        """The key that `text` is the secret of; None for whatever opens nothing."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        found = self._keys().get(key_id)
        # Compared also when there is no such key, so that the time tells nothing.
        expected = found[1] if found else bytes(hashlib.sha256().digest_size)
        same = hmac.compare_digest(_digest(secret), expected)
        if found is None or not same or prefix != _PREFIX or found[0].revoked_at is not None:
            return None
        return found[0]

    def names(self, key: ApiKey) -> Sequence[str] | None:
        """The knowledge bases that a key may touch as they are called now; None: all."""
        if key.knowledge_base_ids is None:
            return None
        with self._catalogue.database.read() as connection:
            found = connection.execute(
                select(knowledge_bases.c.name)
                .where(knowledge_bases.c.id.in_(key.knowledge_base_ids))
                .order_by(knowledge_bases.c.name)
            )
            return list(found.scalars())

    def _forget(self) -> None:
        with self._lock:
            self._read_at = float("-inf")

    def _keys(self) -> dict[str, tuple[ApiKey, bytes]]:
        with self._lock:
            if time.monotonic() - self._read_at > _KEPT_SECONDS:
                with self._catalogue.database.read() as connection:
                    rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at)).all()
                self._known = {row.id: (_key(row), bytes(row.digest)) for row in rows}
                self._read_at = time.monotonic()
            return self._known


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _key(row: Row[Any]) -> ApiKey:
    ids = row.knowledge_bases
    return ApiKey(
        id=row.id,
        name=row.name,
        role=row.role,
        knowledge_base_ids=None if ids is None else frozenset(ids),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
