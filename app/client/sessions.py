"""Conversations that the service keeps, from a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from app.client.requests import Requests, path_of
from app.replies import Session, SessionMessage


class Sessions:
    """Conversations that the service keeps; those of the key."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def list(self, *, query: str = "", limit: int = 200) -> Sequence[Session]:
        """The last used first; with `query`, those whose title or text has it."""
        reply = self._requests.request("GET", path_of("sessions"), params={"query": query, "limit": limit})
        return [Session.model_validate(each) for each in reply.json()["sessions"]]

    def create(self, *, title: str = "", knowledge_bases: Sequence[str] = ()) -> Session:
        """Begin one; its id goes into `Client.ask` as `session_id`."""
        body = {"title": title, "knowledge_bases": [*knowledge_bases]}
        return Session.model_validate_json(
            self._requests.request("POST", path_of("sessions"), json=body).content
        )

    def rename(self, session_id: str, title: str) -> Session:
        """Give it another title."""
        reply = self._requests.request("PATCH", path_of("sessions", session_id), json={"title": title})
        return Session.model_validate_json(reply.content)

    def delete(self, session_id: str) -> None:
        """Delete it with all that was said."""
        self._requests.request("DELETE", path_of("sessions", session_id))

    def messages(self, session_id: str) -> Sequence[SessionMessage]:
        """What was said, oldest first."""
        found = self._requests.request("GET", path_of("sessions", session_id, "messages")).json()["messages"]
        return [SessionMessage.model_validate(each) for each in found]

    def rate(
        self,
        session_id: str,
        message_id: str,
        rating: Literal[-1, 0, 1],
        *,
        reason: str = "",
        comment: str = "",
    ) -> None:
        """Say what is thought of an answer."""
        body = {"rating": rating, "reason": reason, "comment": comment}
        path = path_of("sessions", session_id, "messages", message_id, "feedback")
        self._requests.request("PUT", path, json=body)

    def export(self, session_id: str, *, format: Literal["json", "markdown"] = "json") -> str:
        """The whole conversation as text."""
        return self._requests.request(
            "GET", path_of("sessions", session_id, "export"), params={"format": format}
        ).text
