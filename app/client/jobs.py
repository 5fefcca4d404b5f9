"""Background work, from a client."""

from __future__ import annotations

import time
from collections.abc import Sequence

from app import schemas
from app.client.errors import JobTimeoutError
from app.client.requests import Requests, path_of

_ENDED = {"done", "failed", "cancelled"}
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 1.0


class Jobs:
    """Work that goes on behind uploads and rebuilds."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def list(self) -> Sequence[schemas.Job]:
        """The newest first."""
        found = self._requests.request("GET", path_of("jobs")).json()["jobs"]
        return [schemas.Job.model_validate(each) for each in found]

    def get(self, job_id: str) -> schemas.Job:
        """One job with its files."""
        return schemas.Job.model_validate_json(self._requests.request("GET", path_of("jobs", job_id)).content)

    def cancel(self, job_id: str) -> schemas.Job:
        """Ask it to stop."""
        return schemas.Job.model_validate_json(
            self._requests.request("POST", path_of("jobs", job_id, "cancel")).content
        )

    def retry(self, job_id: str) -> schemas.Job:
        """Do again what was not done."""
        return schemas.Job.model_validate_json(
            self._requests.request("POST", path_of("jobs", job_id, "retry")).content
        )

    def wait(self, job_id: str, *, timeout: float = 600.0) -> schemas.Job:
        """The job once it is done, failed or cancelled. Raises `JobTimeoutError` after `timeout` seconds."""
        end = time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while (job := self.get(job_id)).state not in _ENDED:
            if time.monotonic() + pause > end:
                raise JobTimeoutError(f"job {job_id} is still {job.state}")
            time.sleep(pause)
            pause = min(pause * 1.5, _LAST_PAUSE)
        return job
