"""Requests of random words at every address of the app, by every role: no answer is a fault of the program.

python -m benchmarks.reading_app fuzz --requests 10000
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.reading.playground import PASSWORD, ROUND, Playground, answers, current, make_playground

WORDS = (
    "", "0", "1", "-1", "1e9", "nan", "99999999999999999999", "\0", "a\0b", "\ud7ff", "\U0001f9ea", "%00", "%ff%fe", "../..",
    "' OR 1=1", "<script>", "{{7*7}}", "\r\nSet-Cookie: x=1", "A" * 5000, "true", "[]", "{}", "\u202e", "v.head_area", "yes",
)  # fmt: skip
FIELDS = (
    "revision", "password", "reason", "comment", "not_assessable", "v.head_area", "v.head_erythema", "v.score", "v.x", "f.x",
    "username", "full_name", "role", "action", "old", "new", "again", "page", "next", "csrfmiddlewaretoken",
)  # fmt: skip
METHODS = ("get", "get", "post", "post", "post", "put", "delete", "head", "options", "patch")
KINDS = ("application/json", "multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded")
PLACES = ("/", "/sign-in/", "/queue/", "/queue/next/", "/people/", "/rounds/", "/trail/", "/trail/proof/")
MORE_PLACES = ("/static/reading/form.js", f"/rounds/{ROUND}/", "/people/otto/", "/people/nobody/", "/nowhere/")
ACCOUNTS = (None, "rita", "rob", "ada", "cora", "otto")
_BLOCK = (
    30  # requests between two fresh starts: refusals and wrong passwords lock accounts, which would answer all alike
)


@dataclass(frozen=True)
class Asked:
    """A request. ``body`` stands in place of ``fields`` where there is one; ``session``: a cookie that was never given out."""

    method: str
    address: str
    fields: dict[str, str]
    body: bytes | None
    kind: str
    session: str | None


def requests(seed: int, codes: Sequence[str]) -> Iterator[Asked]:
    """Endless; ``codes`` of visits and photos are among the addresses."""
    chance = random.Random(seed)
    places = [*PLACES, *MORE_PLACES, f"/rounds/{ROUND}/open/"]
    places += [f"/item/{code}/{tail}" for code in codes for tail in ("", "draft/", "sign/", "correct/")]
    places += [f"/photo/{code}/{size}/" for code in codes for size in ("large", "small", "huge")]
    while True:
        address = chance.choice(places)
        if chance.random() < 0.2:
            cut = chance.randrange(len(address) + 1)
            address = "/" + (address[:cut] + chance.choice(WORDS)[:200] + address[cut:]).lstrip("/")
        fields = {chance.choice(FIELDS): chance.choice(WORDS) for _ in range(chance.randrange(6))}
        if chance.random() < 0.3:  # what is nearly right goes deeper
            fields = (
                answers(chance.randrange(5)) | {"revision": str(chance.randrange(4)), "password": PASSWORD} | fields
            )
        body = chance.choice(WORDS).encode("utf-8", "replace") if chance.random() < 0.15 else None
        session = chance.choice(WORDS) if chance.random() < 0.05 else None
        yield Asked(chance.choice(METHODS), address, fields, body, chance.choice(KINDS), session)


def send(client: Any, asked: Asked) -> int:
    """The status of one request."""
    kept = client.cookies.get("sessionid")
    if asked.session is not None:
        client.cookies["sessionid"] = asked.session.encode("latin-1", "replace").decode("latin-1")
    ask = getattr(client, asked.method)
    try:
        if asked.body is not None and asked.method in ("post", "put", "patch"):
            answer = ask(asked.address, data=asked.body, content_type=asked.kind)
        elif asked.method in ("get", "post"):
            answer = ask(asked.address, asked.fields)
        else:
            answer = ask(asked.address)
    finally:
        if asked.session is not None and kept is not None:
            client.cookies["sessionid"] = kept.value
    answer.close()
    return int(answer.status_code)


def fuzzed(opened: Playground, num_requests: int, seed: int) -> Counter[int]:
    """How often each status was answered. Raises AssertionError at the first that is 500 or more, with the request, and where
    the trail does not hold afterwards."""
    statuses, chance, sent = Counter[int](), random.Random(seed), 0
    refusals = "grasp_psonet.reading.app.pages.guard.MOST_REFUSALS"
    with patch(refusals, 10**9):
        while sent < num_requests:
            _unlock()
            clients = {name: opened.client(name, raise_request_exception=False) for name in ACCOUNTS}
            codes = _codes(clients)
            asked = requests(chance.getrandbits(32), codes)
            for _ in range(min(_BLOCK, num_requests - sent)):
                one = next(asked)
                who = _likely(one.address, codes) if chance.random() < 0.8 else chance.choice(ACCOUNTS)
                status = send(clients[who], one)
                if status >= 500:
                    raise AssertionError(f"{who} got {status} of {one}")
                statuses[status] += 1
                sent += 1
    from grasp_psonet.reading.app.trail import verify

    if fault := verify()[1]:
        raise AssertionError(fault)
    return statuses


def fuzz(folder: Path, num_requests: int, seed: int) -> dict[str, Any]:
    """The same of a drawn study in ``folder``, as figures."""
    opened = make_playground(folder / "study")
    opened.open_round()
    statuses = fuzzed(opened, num_requests, seed)
    told = {str(status): count for status, count in sorted(statuses.items())}
    faults = sum(count for status, count in statuses.items() if status >= 500)
    return {"num_requests": statuses.total(), "num_faults": faults, "by_status": told, "seed": seed}


def _codes(clients: dict[str | None, Any]) -> list[str]:
    """Codes of the visits that both readers read now, one that nobody has, and two of photos."""
    from grasp_psonet.reading.app.models import ItemPhoto

    codes = [current(clients[name]) or "B" * 22 for name in ("rita", "rob")]
    return [*codes, "A" * 22, *ItemPhoto.objects.filter(item__code=codes[0]).values_list("code", flat=True)[:2]]


def _likely(address: str, codes: Sequence[str]) -> str:
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
