"""The app behind a production server."""

import sys
from pathlib import Path
from typing import Any, Protocol

from django.core.handlers.wsgi import WSGIHandler
from gunicorn.app.base import BaseApplication

from grasp_psonet.reading.app.commands import database
from grasp_psonet.reading.app.trail import anchor, record


class Listening(Protocol):
    """Where the server listens, and with what."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def tls_cert(self) -> Path | None: ...
    @property
    def tls_key(self) -> Path | None: ...
    @property
    def workers(self) -> int: ...


class Server(BaseApplication):
    """Gunicorn with threads, set up from values and not from the command line."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            if name in self.cfg.settings:  # some are not in every version
                self.cfg.set(name, value)

    def load(self) -> Any:
        return WSGIHandler()


def run(listening: Listening) -> None:
    """Serves until it is stopped."""
    with database():
        record("command line", "server.started")
        anchor()
    options = {
        "bind": f"{listening.host}:{listening.port}",
        "workers": listening.workers,
        "worker_class": "gthread",
        "threads": 8,
        "timeout": 60,
        "graceful_timeout": 10,
        "keepalive": 5,
        "proc_name": "grasp-read",
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        "preload_app": True,
        "control_socket_disable": True,
    }
    if listening.tls_cert is not None:
        options |= {"certfile": str(listening.tls_cert), "keyfile": str(listening.tls_key)}
    sys.argv = sys.argv[:1]  # which gunicorn would read
    Server(options).run()
