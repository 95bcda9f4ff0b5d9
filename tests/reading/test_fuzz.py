"""Requests of random words at every address, by every role: no answer is a fault of the program."""

import random
from typing import Any

import pytest

from tests.reading.playground import PASSWORD, ROUND, Playground, current

NUM_REQUESTS = 300  # `python -m benchmarks.reading_app fuzz` sends more
WORDS = (
    "", "0", "-1", "1e9", "99999999999999999999", "\0", "a\0b", "\ud7ff", "\U0001f9ea", "%00", "%ff%fe", "../..",
    "' OR 1=1", "<script>", "{{7*7}}", "\r\nSet-Cookie: x=1", "A" * 5000, "true", "[]", "{}", "\u202e", "v.head_area", "yes",
)  # fmt: skip
FIELDS = (
    "revision", "password", "reason", "comment", "not_assessable", "v.head_area", "v.head_erythema", "v.score", "v.x", "f.x",
    "username", "full_name", "role", "action", "old", "new", "again", "page", "next", "csrfmiddlewaretoken",
)  # fmt: skip


def requests(seed: int, codes: list[str]) -> Any:
    """Endless: method, address, fields, body or None, content type, headers."""
    chance = random.Random(seed)
    places = [
        "/",
        "/sign-in/",
        "/queue/",
        "/queue/next/",
        "/people/",
        "/rounds/",
        "/trail/",
        "/trail/proof/",
        "/static/reading/form.js",
    ]
    places += [f"/item/{code}/{tail}" for code in codes for tail in ("", "draft/", "sign/", "correct/")]
    places += [f"/photo/{code}/{size}/" for code in codes for size in ("large", "small", "huge")]
    places += [f"/rounds/{ROUND}/", f"/rounds/{ROUND}/open/", "/people/otto/", "/people/nobody/", "/nowhere/"]
    while True:
        address = chance.choice(places)
        if chance.random() < 0.2:
            cut = chance.randrange(len(address) + 1)
            address = "/" + (address[:cut] + chance.choice(WORDS)[:200] + address[cut:]).lstrip("/")
        fields = {chance.choice(FIELDS): chance.choice(WORDS) for _ in range(chance.randrange(6))}
        method = chance.choice(("get", "get", "post", "post", "post", "put", "delete", "head", "options", "patch"))
        body = chance.choice(WORDS).encode("utf-8", "replace") if chance.random() < 0.15 else None
        kind = chance.choice(
            ("application/json", "multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded")
        )
        cookie = (
            {"sessionid": chance.choice(WORDS).encode("latin-1", "replace").decode("latin-1")}
            if chance.random() < 0.05
            else {}
        )
        yield method, address, fields, body, kind, cookie


def send(client: Any, asked: Any) -> int:
    """The status of one request."""
    method, address, fields, body, kind, cookie = asked
    kept = client.cookies.get("sessionid")
    if cookie:
        client.cookies["sessionid"] = cookie["sessionid"]
    try:
        if body is not None and method in ("post", "put", "patch"):
            answer = getattr(client, method)(address, data=body, content_type=kind)
        elif method == "post":
            answer = client.post(address, dict(fields))
        else:
            answer = client.get(address, fields) if method == "get" else getattr(client, method)(address)
    finally:
        if cookie and kept is not None:
            client.cookies["sessionid"] = kept.value
    answer.close()
    return int(answer.status_code)


@pytest.mark.long
def test_no_request_breaks_the_app(opened: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "grasp_psonet.reading.app.pages.guard.MOST_REFUSALS", 10**9
    )  # else all is refused after a while
    from grasp_psonet.reading.app.models import ItemPhoto

    names = [None, "rita", "rob", "ada", "cora", "otto"]
    clients = [opened.client(name, raise_request_exception=False) for name in names]
    codes = [code for client in clients[1:3] if (code := current(client)) is not None] + ["A" * 22]
    codes += list(ItemPhoto.objects.filter(item__code=codes[0]).values_list("code", flat=True)[:2])
    chance, statuses = random.Random(1), dict[int, int]()
    asked = requests(1, codes)
    for number in range(NUM_REQUESTS):
        if number % 30 == 0:  # refusals and wrong passwords lock accounts, which would answer everything alike
            _unlock()
            clients = [opened.client(name, raise_request_exception=False) for name in names]
        one = next(asked)
        likely = clients[names.index(_likely(one[1], codes))]
        status = send(likely if chance.random() < 0.8 else chance.choice(clients), one)
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500, one
    assert {200, 302, 400, 404, 405} <= statuses.keys(), statuses
    assert statuses[200] >= 5, statuses
    from grasp_psonet.reading.app.trail import verify

    assert verify()[1] == ""


def _likely(address: str, codes: list[str]) -> str:
    """An account that may see a page."""
    if "/people" in address or "/rounds" in address:
        return "cora"
    if "/trail" in address:
        return "otto"
    return "rob" if codes[1] in address else "rita"


def _unlock() -> None:
    """Every account as it was."""
    from axes.utils import reset
    from django.contrib.auth.hashers import make_password

    from grasp_psonet.reading.app.models import User

    reset()
    told = {"refused_until": None, "is_active": True, "must_change_password": False}
    User.objects.update(password=make_password(PASSWORD), **told)
