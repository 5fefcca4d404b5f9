"""A real server over a service, in a thread of the tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from app.http.application import create_app
from app.service import Service


@contextmanager
def serving(service: Service) -> Iterator[int]:
    """The port of 127.0.0.1 at which the service answers until the context is left."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # a request that comes before the server is up waits rather than being refused
        application = create_app(service, pages=False)
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            assert not thread.is_alive()
