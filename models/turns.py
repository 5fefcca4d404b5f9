"""Who is next: requests that want one of a few places, first come, first served."""

from __future__ import annotations

import threading


class Turns:
    """Gives out `capacity` places in the order of asking."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()
        self._queue: list[Turn] = []

    def ask(self) -> Turn:
        """Stand at the end of the queue; leave it with `Turn.leave` in any case."""
        with self._changed:
            turn = Turn(self)
            self._queue.append(turn)
            return turn

    @property
    def active(self) -> int:
        """Requests that have a place."""
        return min(len(self._queue), self._capacity)

    @property
    def waiting(self) -> int:
        """Requests that have none yet."""
        return max(len(self._queue) - self._capacity, 0)

    def _position(self, turn: Turn) -> int:
        return max(self._queue.index(turn) - self._capacity + 1, 0)

    def _wait(self, turn: Turn, seconds: float) -> int:
        with self._changed:
            before = self._position(turn)
            self._changed.wait_for(lambda: self._position(turn) < before or before == 0, timeout=seconds)
            return self._position(turn)

    def _leave(self, turn: Turn) -> None:
        with self._changed:
            if turn in self._queue:
                self._queue.remove(turn)
                self._changed.notify_all()


class Turn:
    """A request's place in the queue."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def wait(self, seconds: float) -> int:
        """Wait so long for the queue to move; how many have to go first then, 0: it is our turn."""
        return self._turns._wait(self, seconds)

    def leave(self) -> None:
        """Make room for the next, whether our turn had come or not."""
        self._turns._leave(self)
