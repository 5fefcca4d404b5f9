"""Ids in portions that one statement can take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")

_BATCH = 500
"""SQLite takes no more than 32,766 parameters in a statement."""


def batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """The items in lists of at most `_BATCH`."""
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
