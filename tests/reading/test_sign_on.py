"""Single sign-on against a small provider of our own: the real server, and who it lets in."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reading_app.served import Browser, Server
from grasp_psonet.cli import main
from grasp_psonet.errors import SettingsError
from grasp_psonet.reading.sign_on import SignOn, sign_on_of

pytest.importorskip("allauth", reason="the extra `reading-sign-on` is not installed")

from tests.reading.fake_provider import CLIENT, SECRET, FakeProvider

RITA = {"sub": "17", "preferred_username": "Rita", "email": "rita@example.org", "email_verified": True}


class Place:
    """A study whose app is served with sign-on by a provider."""

    def __init__(self, study: Path, provider: FakeProvider, server: Server) -> None:
        self.study, self.provider, self.server = study, provider, server
        self.start = f"/sign-on/{SignOn(provider.issuer, CLIENT, SECRET).provider_id}/"

    def entries(self, action: str) -> list[dict[str, str]]:
        """Subject, what it was after, and reason of the trail's entries of one action."""
        with sqlite3.connect(self.study / "reading-app" / "reading.sqlite3") as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(
                "SELECT subject, after, reason FROM reading_entry WHERE action = ? ORDER BY number", [action]
            )
            return [dict(row) for row in found]

    def signed_on(self, person: dict[str, Any], **about: Any) -> tuple[Browser, int, bytes]:
        """A browser that went to the provider and came back as this person; the last status and content."""
        self.provider.person, self.provider.about = person, about
        browser = Browser(self.server.port)
        status, place, _ = browser.get(self.start)
        assert status == 302
        return browser, *self.back(browser, self.provider.authorized(place))

    def back(self, browser: Browser, path: str) -> tuple[int, bytes]:
        """Comes back from another site: without the session's cookie, as browsers keep it, then from the app's own page."""
        kept, browser.cookies = browser.cookies, {}
        status, _, content = browser.get(path)
        assert (status, b"refresh" in content) == (200, True)
        browser.cookies = kept
        status, _, content = browser.get(f"{path}&_redir=")
        return status, content


@pytest.fixture(scope="module")
def place(memory_folder: Path) -> Iterator[Place]:
    study = memory_folder / "study"
    study.mkdir()
    for name in ("rita", "rob", "zoe"):
        assert main(["read", "add-user", str(study), name, "--role", "reader"]) == 0
    from django.db import connections

    from grasp_psonet.reading.app.accounts import set_active
    from grasp_psonet.reading.app.models import User

    set_active("test", User.objects.get(username="zoe"), False, "left")
    connections.close_all()
    provider = FakeProvider()
    server = Server(study, ["--workers", "1", "--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT])
    try:
        server.start({"GRASP_READ_OIDC_SECRET": SECRET})
        yield Place(study, provider, server)
    finally:
        server.kill()
        provider.close()


@pytest.mark.process
def test_who_has_an_account_comes_in_and_nobody_else(place: Place) -> None:
    _comes_in(place)
    refused = len(place.entries("session.refused"))
    for person in (
        {"sub": "99", "preferred_username": "mallory"},  # no account
        {"sub": "99", "preferred_username": "rita"},  # the account is joined to number 17
        {"sub": "98", "preferred_username": "zoe"},  # closed
        {"sub": "97", "email": "rob@example.org"},  # the claim is not told
        {"sub": "97", "preferred_username": ["rob"]},
    ):
        browser, status, content = place.signed_on(person)
        assert (status, b"no account here" in content) == (403, True), person
        assert browser.get("/queue/")[:2] == (302, "/sign-in/")
        refused += 1
        assert len(place.entries("session.refused")) == refused
    assert place.entries("session.refused")[-5]["subject"] == "sign-on 'mallory'"
    _is_joined_by_number(place)
    _is_not_forged(place)
    _ends_with_the_account(place)
    place.provider.is_broken = True
    assert Browser(place.server.port).get(place.start)[0] == 502
    place.provider.is_broken = False
    assert main(["read", "verify", str(place.study)]) == 0


def _comes_in(place: Place) -> None:
    """The name joins the account once; the one-time password is still to be changed, for signatures take a password."""
    assert place.start.encode() in Browser(place.server.port).get("/sign-in/")[2]
    browser, status, _ = place.signed_on(RITA)
    assert status == 302
    assert browser.get("/")[:2] == (302, "/password/")
    assert browser.get("/people/")[0] in (302, 404)
    (joined,) = place.entries("account.joined")
    assert joined["subject"] == "account rita"
    assert json.loads(joined["after"]) == {"issuer": place.provider.issuer, "subject": "17"}
    assert [one["subject"] for one in place.entries("session.began")] == ["account rita"]


def _is_joined_by_number(place: Place) -> None:
    """Whatever name the provider gives number 17 from now on, it is rita, and no other account by that name."""
    browser, status, _ = place.signed_on(RITA | {"preferred_username": "rob"})
    assert status == 302
    assert place.entries("session.began")[-1]["subject"] == "account rita"
    assert len(place.entries("account.joined")) == 1
    assert browser.get("/password/")[0] == 200


def _ends_with_the_account(place: Place) -> None:
    """Who was joined and whose account was closed since is refused like anybody else, and the trail says why."""
    from django.db import connections

    from grasp_psonet.reading.app.accounts import set_active
    from grasp_psonet.reading.app.models import User

    set_active("test", User.objects.get(username="rita"), False, "left")
    connections.close_all()
    _, status, content = place.signed_on(RITA)
    assert (status, b"no account here" in content) == (403, True)
    assert place.entries("session.refused")[-1]["reason"] == "by sign-on: the account is closed"


def _is_not_forged(place: Place) -> None:
    began = len(place.entries("session.began"))
    for about in ({"aud": "another app"}, {"iss": "http://127.0.0.1:1"}, {"exp": 1}):
        assert place.signed_on(RITA, **about)[1] == 403, about
    place.provider.about = {}
    browser, other = Browser(place.server.port), Browser(place.server.port)
    _, address, _ = browser.get(place.start)
    other.get(place.start)
    path = place.provider.authorized(address)
    assert place.back(other, path)[0] == 403, "a state that was given to another browser"
    assert place.back(browser, path)[0] == 302
    browser = Browser(place.server.port)
    assert place.back(browser, path)[0] == 403, "the same answer a second time"
    assert browser.get(f"{place.start}callback/?error=access_denied&_redir=")[0] == 403
    assert browser.get("/sign-on/000000000000/")[0] == 404
    _, address, _ = browser.get(f"{place.start}?process=connect")
    assert place.back(browser, place.provider.authorized(address))[0] == 403, "joining another account by hand"
    assert len(place.entries("session.began")) == began + 1


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (("http://login.example.org", "app", None), "in the clear"),
        (("login.example.org", "app", None), "in the clear"),
        (("https://login.example.org/?x=1", "app", None), "is no issuer"),
        (("https://", "app", None), "is no issuer"),
        (("https://login.example.org", None, None), "--oidc-client-id"),
        (("https://login.example.org", "app", "e-mail"), "name of a claim"),
        ((None, "app", None), "go with --oidc-issuer"),
        ((None, None, "upn"), "go with --oidc-issuer"),
    ],
)
def test_a_provider_that_cannot_be_trusted_is_refused(
    told: tuple[str | None, str | None, str | None], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRASP_READ_OIDC_SECRET", "x")
    with pytest.raises(SettingsError, match=wanted):
        sign_on_of(*told)
    assert sign_on_of(None, None, None) is None
    good = sign_on_of("https://login.example.org/realm/", "app", None)
    assert good is not None
    assert (good.issuer, good.claim) == ("https://login.example.org/realm", "preferred_username")
    assert good.provider_id != SignOn("https://login.example.org/other", "app", "x").provider_id
    monkeypatch.setenv("GRASP_READ_OIDC_SECRET", "")
    with pytest.raises(SettingsError, match="GRASP_READ_OIDC_SECRET"):
        sign_on_of("https://login.example.org", "app", None)


def test_without_the_setting_there_is_no_sign_on(playground: Any) -> None:
    answer = playground.client().get("/sign-in/")
    assert b"sign-on" not in answer.content
    name = SignOn("https://login.example.org", CLIENT, SECRET).provider_id
    for path in (f"/sign-on/{name}/", f"/sign-on/{name}/callback/"):
        assert playground.client().get(path).status_code == 404
