"""The LangChain chain behind FastAPI, as a tutorial would serve it: `python -m app.bench.rival_server PORT`.

The folder of its store is in the environment, as that of the models is. Its answer is the passage
that stands first, sent at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.bench.pipeline import langchain_pipeline

STORE = "BENCH_STORE"
"""Not one of the application's own variables, which it would refuse as an unknown setting."""
MODELS = "ZHIWEN_MODELS_DIR"


class Question(BaseModel):
    """What ours is asked too."""

    question: str


def main() -> None:
    """Serve until ended."""
    chain = langchain_pipeline(Path(os.environ[MODELS]))
    chain.load(Path(os.environ[STORE]))
    app = FastAPI()

    @app.get("/readyz")
    def ready() -> None:
        """The store is loaded before the server starts."""

    @app.post("/api/ask")
    def ask(question: Question) -> StreamingResponse:
        """The best passage as one event."""
        (first, *_) = chain.ask(question.question)
        return StreamingResponse(
            iter([f"event: token\ndata: {json.dumps(first)}\n\n"]), media_type="text/event-stream"
        )

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    main()
