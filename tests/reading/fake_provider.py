"""A small OpenID Connect provider on this machine: says who somebody is as it is told to, and checks what a provider must."""

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

CLIENT, SECRET = "reading-app", "a secret of the client"


class FakeProvider:
    """``person``: the claims of who signs on next; ``about``: what the identity token says otherwise than it should."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {}
        self.about: dict[str, Any] = {}
        self.is_broken = False
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def authorized(self, address: str) -> str:
        """Path and query to which a browser that came to ``address`` is sent back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, sent: dict[str, str]) -> dict[str, Any] | None:
        """What a code is good for, once; None where it is not."""
        asked = self.codes.pop(sent.get("code", ""), None)
        if asked is None or (sent.get("client_id"), sent.get("client_secret")) != (CLIENT, SECRET):
            return None
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=")
        if challenge.decode() != asked["code_challenge"] or sent["redirect_uri"] != asked["redirect_uri"]:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, **self.person, **self.about}
        token = secrets.token_urlsafe(8)
        self.tokens[token] = dict(self.person)
        return {"access_token": token, "token_type": "Bearer", "id_token": jwt.encode(claims, "k" * 32, "HS256")}


def _handler_of(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            issuer = provider.issuer
            if provider.is_broken:
                self._answer(503, None)
            elif self.path == "/.well-known/openid-configuration":
                names = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
                told = {f"{name}_endpoint": f"{issuer}/{place}" for name, place in names.items()}
                self._answer(200, {"issuer": issuer, "jwks_uri": f"{issuer}/keys", **told})
            else:
                known = provider.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
                self._answer(401 if known is None else 200, known)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told = provider.token({name: values[0] for name, values in parse_qs(body).items()})
            self._answer(400 if told is None else 200, told)

        def _answer(self, status: int, told: Any) -> None:
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
