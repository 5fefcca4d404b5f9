"""Running the pages and the HTTP interface."""

from __future__ import annotations

import ipaddress
import logging
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from app.composition import build_service
from app.errors import NoKeyMadeError
from app.logs import configure
from app.service import Service
from app.settings import load_settings

logger = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept."""
_NOT_STARTED = 3
"""Exit status when the port could not be opened, as uvicorn's own."""


def serve(
    arguments: Mapping[str, Any] | None = None,
    *,
    pages: bool,
    host: str | None = None,
    port: int | None = None,
) -> None:
    """Serve until interrupted. Models load behind the open port, so that the page is up at once."""
    import uvicorn

    from app.http.application import create_app
    from app.http.connections import DrainingServer, timed_heads

    settings = load_settings(arguments)
    configure(settings.logging)
    service = build_service(settings)
    server = settings.server
    default_port = server.port if pages else server.api_port
    address, number = host or server.host, default_port if port is None else port
    _leave_on_termination()
    try:
        check_guarded(service, address)
        service.start()
        application = create_app(service, pages=pages)
        # Not a daemon: one that comes back from native code while Python ends takes the process down.
        threading.Thread(target=_warm_up, args=(service.warm_up,), name="warm-up", daemon=False).start()
        logger.info("知问 Zhiwen: http://%s:%d", address, number)
        config = uvicorn.Config(
            application,
            host=address,
            port=number,
            workers=1,
            log_level="warning",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=server.drain_seconds,
            # With uvicorn's 5 s, a busy machine closes connections in the very moment of their next request.
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            http=timed_heads(settings.limits.header_seconds),
        )
        running = DrainingServer(config, application.state.leaving)
        with suppress(KeyboardInterrupt):
            running.run()
        if not running.started:
            raise SystemExit(_NOT_STARTED)
    finally:
        service.close()


def _leave_on_termination() -> None:
    """Have a termination unwind like any exit.

    The server drains its answers, and then raises the signal once more to whoever was there before;
    that would end the process before its jobs are suspended.
    """

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)


def check_guarded(service: Service, host: str) -> None:
    """Raise `NoKeyMadeError` when others could reach `host` and no key keeps them out."""
    if is_loopback(host) or service.settings.server.open_without_keys or service.keys.usable():
        return
    raise NoKeyMadeError(f"others can reach {host}, and no key was made", host=host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _warm_up(warm_up: Any) -> None:
    try:
        warm_up()
    except Exception:
        # The first question raises the same error, with a place to show it.
        logger.exception("models could not be loaded")
