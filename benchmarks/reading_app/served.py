"""The app's server as a process, and a browser without a screen."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlencode

_REVISION = re.compile(r'name="revision" value="(\d+)"')
_START_S = 90


class Server:
    """``grasp read STUDY`` on a free port of this machine, with more words where they are told."""

    def __init__(self, study: Path, more: Sequence[str] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.words = [sys.executable, "-m", "grasp_psonet", "read", str(study), "--port", str(self.port), *more]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str] | None = None, is_up: Callable[[], bool] | None = None) -> None:
        """Starts it, with these variables added, and waits until it answers; ``is_up`` asks it another way than over plain
        HTTP. Raises RuntimeError where it does not."""
        is_up = is_up or (lambda: Browser(self.port).get("/sign-in/")[0] == 200)
        variables = os.environ | (environment or {})
        self.process = subprocess.Popen(self.words, start_new_session=True, stderr=subprocess.DEVNULL, env=variables)
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            try:
                if is_up():
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the server did not come up within {_START_S} s")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends it and all its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, how)
            self.process.wait()


class Browser:
    """Keeps cookies, sends forms with their token. A lost connection is an OSError."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, dict[str, str]()
        self.token = ""

    def get(self, path: str) -> tuple[int, str, bytes]:
        """Status, place that is pointed to, and content."""
        return self._ask("GET", path, None)

    def post(self, path: str, fields: dict[str, str]) -> tuple[int, str, bytes]:
        """The same of a form."""
        return self._ask("POST", path, urlencode(fields | {"csrfmiddlewaretoken": self.token}))

    def sign_in(self, name: str, password: str) -> None:
        """Begins a session. Raises RuntimeError where it is refused."""
        self.get("/sign-in/")
        status, _, _ = self.post("/sign-in/", {"username": name, "password": password})
        if status != 302:
            raise RuntimeError(f"{name} was not signed in: {status}")

    def current(self) -> str | None:
        """The visit to be read now."""
        found = re.fullmatch(r"/item/([\w-]{22})/", self.get("/queue/next/")[1])
        return found[1] if found else None

    def _ask(self, method: str, path: str, body: str | None) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from None
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', content)
        if found:
            self.token = found[1].decode()
        return answer.status, answer.headers.get("Location", ""), content


def revision_of(page: bytes) -> int:
    """The number of the last save that a page was made from."""
    found = _REVISION.search(page.decode())
    if found is None:
        raise RuntimeError("the page holds no revision")
    return int(found[1])
