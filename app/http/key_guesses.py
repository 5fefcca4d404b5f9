"""How many keys an address may try.

A key is 256 random bits and is not guessed; but who tries keys is noise that the service need not
serve, and should be seen. Only keys that are new from an address count: a program with one key never
meets the limit, whether its key is good or was revoked, and while somebody at the same address
guesses, those who were let in before go on.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import threading
from collections import OrderedDict

from app.errors import TooManyRequestsError
from app.http.limits import RequestRate
from app.rights import EVERYTHING, Access
from app.service import Service

logger = logging.getLogger(__name__)

_MOST_REMEMBERED = 10_000
_NETWORK_BITS = 64
"""Of an IPv6 address: what is behind it is one subscriber's."""


class KeyGuesses:
    """What a key opens, for so many new keys of an address in a minute. Safe to be called from threads."""

    def __init__(self, service: Service, *, per_minute: int) -> None:
        self._service = service
        self._rate = RequestRate(per_minute)
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def access(self, address: str | None, secret: str) -> Access | None:
        """As `access_by`; raises `TooManyRequestsError` for one more key than the address may try."""
        keys = self._service.keys
        if not keys.needed():
            return EVERYTHING
        if not secret:
            return None
        self._count(place_of(address), secret)
        key = keys.check(secret)
        return None if key is None else Access.of(key)

    def _count(self, place: str, secret: str) -> None:
        tried = (place, hashlib.sha256(secret.encode(errors="surrogateescape")).digest())
        with self._lock:
            if tried in self._seen:
                self._seen.move_to_end(tried)
                return
            wait = self._rate.wait(place)
            if not wait:
                self._seen[tried] = None
                if len(self._seen) > _MOST_REMEMBERED:
                    self._seen.popitem(last=False)
        if wait:
            logger.warning("%s tries too many keys", place)
            raise TooManyRequestsError("too many keys tried", retry_after=int(wait) + 1)


def place_of(address: str | None) -> str:
    """What counts as one place: an IPv4 address, or a network of IPv6 addresses."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:  # a socket of the file system has no address
        return address or ""
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
