"""The least that a search over HTTP can cost: FastAPI checks the body and answers with what was kept.

    python -m benchmarks.bare_route REPLY PORT

REPLY is a file with the JSON of a search; it is parsed once and written out for every request.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from app.http.questions import SearchRequest
from app.replies import SearchResponse


def main() -> None:
    """Serve on loopback."""
    kept = SearchResponse.model_validate_json(Path(sys.argv[1]).read_bytes())
    app = FastAPI()

    @app.post("/api/search")
    def search(body: SearchRequest) -> SearchResponse:  # noqa: ARG001 - checked, that is all
        return kept

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")


if __name__ == "__main__":
    main()
