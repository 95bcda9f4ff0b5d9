"""Attacks that are tried and refused."""

import datetime
import re
import time
from typing import Any

import pytest

from tests.reading.playground import PASSWORD, ROUND, Playground, answers, current, fill, read_all, sign

SCRIPTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ request.user.password }}{% debug %}",
    "</textarea><script>alert(1)</script>",
)
SQL = (
    "' OR '1'='1",
    "1; DROP TABLE reading_entry; --",
    "' UNION SELECT password FROM reading_user --",
    "%27%20OR%201=1",
)


def codes_of(reader: str) -> list[str]:
    from grasp_psonet.reading.app.models import Item

    return list(Item.objects.filter(reader__username=reader).order_by("position").values_list("code", flat=True))


def num_entries(**wanted: Any) -> int:
    from grasp_psonet.reading.app.models import Entry

    return Entry.objects.filter(**wanted).count()


def test_another_readers_visit_and_photos_are_not_found(opened: Playground) -> None:
    from grasp_psonet.reading.app.models import ItemPhoto

    rita, rob = opened.client("rita"), codes_of("rob")
    photo = ItemPhoto.objects.filter(item__code=rob[0]).first()
    assert photo is not None
    assert opened.client("rob").get(f"/photo/{photo.code}/large/").status_code == 200
    for answer in (
        rita.get(f"/item/{rob[0]}/"),
        rita.post(f"/item/{rob[0]}/draft/", answers(1) | {"revision": "0"}),
        rita.post(f"/item/{rob[0]}/sign/", {"revision": "0", "password": PASSWORD}),
        rita.post(f"/item/{rob[0]}/correct/", {"reason": "mine"}),
        rita.get(f"/photo/{photo.code}/large/"),
    ):
        assert answer.status_code == 404
    assert num_entries(action="access.refused", actor="rita") == 5


def test_visits_further_down_the_own_queue_are_not_found(opened: Playground) -> None:
    from grasp_psonet.reading.app.models import ItemPhoto

    rita, later = opened.client("rita"), codes_of("rita")[2]
    photo = ItemPhoto.objects.filter(item__code=later).first()
    assert photo is not None
    assert rita.get(f"/item/{later}/").status_code == 404
    assert rita.get(f"/photo/{photo.code}/small/").status_code == 404


def test_guessing_codes_ends_after_twenty(opened: Playground) -> None:
    """The codes have 132 bits; and 10^5 tries would take an account that is refused after 20 more than 50 days."""
    from grasp_psonet.reading.app.models import User
    from grasp_psonet.reading.app.pages.guard import MOST_REFUSALS

    rita = opened.client("rita")
    statuses = [rita.get(f"/item/{number:022d}/").status_code for number in range(60)]
    assert statuses == [404] * MOST_REFUSALS + [302] * (60 - MOST_REFUSALS)
    again = opened.client("rita")
    assert again.get("/queue/")["Location"] == "/sign-in/"
    assert num_entries(action="account.locked_out", actor="rita") == 1
    user = User.objects.get(username="rita")
    assert user.refused_until is not None
    user.refused_until -= datetime.timedelta(minutes=20)
    user.save()
    assert opened.client("rita").get("/queue/").status_code == 200, "the lock ends by itself"


def test_a_page_of_another_role_is_not_found(opened: Playground) -> None:
    pages = {
        "coordinator": ["/people/", "/rounds/", f"/rounds/{ROUND}/"],
        "auditor": ["/trail/"],
        "reader": ["/queue/"],
    }
    names = {"coordinator": "cora", "auditor": "otto", "reader": "rita"}
    for role, own in pages.items():
        client = opened.client(names[role])
        assert all(client.get(page).status_code == 200 for page in own)
        for other in pages.keys() - {role}:
            assert all(client.get(page).status_code == 404 for page in pages[other])
    reader = opened.client("rita")
    assert reader.post(f"/rounds/{ROUND}/lock/", {"password": PASSWORD, "reason": "x"}).status_code == 404
    assert reader.post("/trail/proof/").status_code == 404


def test_a_role_is_not_raised_by_a_forged_form(opened: Playground) -> None:
    from grasp_psonet.reading.app.models import User

    rita = opened.client("rita")
    forged = {
        "action": "role",
        "role": "coordinator",
        "reason": "because",
        "is_active": "1",
        "must_change_password": "",
    }
    assert rita.post("/people/rita/", forged).status_code == 404
    assert rita.post("/people/", {"username": "evil", "full_name": "E", "role": "coordinator"}).status_code == 404
    rita.post("/password/", {"old": PASSWORD, "new": "x" * 14 + "9z", "again": "x" * 14 + "9z", "role": "coordinator"})
    code = current(rita)
    rita.post(
        f"/item/{code}/draft/", answers(1) | {"revision": "0", "role": "coordinator", "reader": "3", "kind": "repeat"}
    )
    cora = opened.client("cora")
    assert cora.post("/people/cora/", forged).status_code == 409, "nobody changes their own role"
    assert cora.post("/people/rita/", forged).status_code == 409, "who reads in a round keeps the role"
    assert cora.post("/people/otto/", forged | {"role": "root"}).status_code == 400
    assert cora.post("/people/otto/", forged | {"reason": ""}).status_code == 409
    roles = dict(User.objects.values_list("username", "role"))
    assert (roles["rita"], roles["otto"]) == ("reader", "auditor")
    assert "evil" not in roles


def test_forms_without_their_token_are_refused(opened: Playground) -> None:
    rita = opened.client("rita", enforce_csrf_checks=False)
    code = current(rita)
    strict = opened.client(enforce_csrf_checks=True)
    assert strict.post("/sign-in/", {"username": "rita", "password": PASSWORD}).status_code == 403
    strict.cookies = rita.cookies
    for address in (f"/item/{code}/draft/", f"/item/{code}/sign/", "/sign-out/", "/password/"):
        assert strict.post(address, {"revision": "0", "password": PASSWORD}).status_code == 403
    assert current(rita) == code


def test_a_session_gets_a_new_key_at_the_sign_in(opened: Playground) -> None:
    client = opened.client()
    fixed = "a" * 32
    client.cookies["sessionid"] = fixed
    client.post("/sign-in/", {"username": "rita", "password": PASSWORD})
    key = client.cookies["sessionid"].value
    assert key != fixed
    assert opened.client("rita").cookies["sessionid"].value != key
    thief = opened.client()
    thief.cookies["sessionid"] = fixed
    assert thief.get("/queue/")["Location"] == "/sign-in/"
    client.post("/sign-out/")
    thief.cookies["sessionid"] = key
    assert thief.get("/queue/")["Location"] == "/sign-in/", "a session that ended is gone on the server"


def test_cookies_are_kept_from_scripts_and_other_sites(opened: Playground) -> None:
    client = opened.client("rita")
    client.get("/queue/")
    for name in ("sessionid", "csrftoken"):
        assert client.cookies[name]["httponly"]
        assert client.cookies[name]["samesite"] == "Strict"


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_shown_as_text(opened: Playground, script: str) -> None:
    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    fill(rita, code, answers(1) | {"comment": script, "not_assessable": "yes", "reason": script})
    cora = opened.client("cora")
    cora.post("/people/", {"username": "mallory", "full_name": script, "role": "reader"})
    otto = opened.client("otto")
    pages = [rita.get(f"/item/{code}/"), rita.get(f"/item/{code}/sign/"), cora.get("/people/"), otto.get("/trail/")]
    pages += [
        otto.get("/trail/", {"action": script, "page": script}),
        opened.client().get("/sign-in/", {"next": script}),
    ]
    pages.append(opened.client().post("/sign-in/", {"username": script[:40], "password": script}))
    for page in pages:
        text = page.content.decode()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert page is not pages[0] or "&lt;script&gt;alert(1)&lt;/script&gt;" in text, "views.csv names a region so"
        assert "script-src 'self'" in page["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), "a script stands in the page"
        assert not re.search(r"\son\w+=\"|\sstyle=\"", text), "a handler or a style stands in the page"


@pytest.mark.parametrize("sql", SQL)
def test_sql_in_every_parameter_changes_nothing(opened: Playground, sql: str) -> None:
    from grasp_psonet.reading.app.models import User
    from grasp_psonet.reading.app.trail import verify

    rita, otto, cora = opened.client("rita"), opened.client("otto"), opened.client("cora")
    code = current(rita)
    before = User.objects.count()
    assert opened.client().post("/sign-in/", {"username": sql[:40], "password": sql}).status_code == 400
    rita.post(f"/item/{code}/draft/", {"revision": sql, "v.head_area": sql, f"f.{sql}": sql})
    rita.post(f"/item/{code}/draft/", {"revision": "0", "comment": sql, "reason": sql, "not_assessable": sql})
    rita.post(f"/item/{code}/sign/", {"revision": sql, "password": sql})
    otto.get("/trail/", {"action": sql, "page": sql})
    cora.post("/people/", {"username": sql[:40], "full_name": sql, "role": sql})
    cora.post("/people/otto/", {"action": sql, "role": sql, "reason": sql})
    cora.post(f"/rounds/{ROUND}/lock/", {"password": sql, "reason": sql})
    for address in (f"/item/{sql}/", f"/photo/{sql}/large/", f"/rounds/{sql}/", f"/people/{sql}/"):
        assert rita.get(address).status_code == 404
    assert User.objects.count() == before
    assert verify()[1] == ""


@pytest.mark.parametrize(
    "path", ["../secret.key", "..%2f..%2fsecret.key", "%2e%2e/secret.key", "....//secret.key", "reading.sqlite3"]
)
def test_no_path_leads_to_a_file(opened: Playground, path: str) -> None:
    rita = opened.client("rita")
    secret = (opened.study / "reading-app" / "secret.key").read_bytes()
    for address in (
        f"/photo/{path}/large/",
        f"/static/{path}",
        f"/static/../{path}",
        f"/static/reading/{path}",
        f"/{path}",
    ):
        answer = rita.get(address)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert answer.status_code in (403, 404)
        assert secret not in content


def test_a_replayed_submission_gives_no_second_reading(opened: Playground) -> None:
    from grasp_psonet.reading.app.models import Reading

    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    revision = fill(rita, code, answers(2))
    sign(rita, code, revision)
    again = rita.post(f"/item/{code}/sign/", {"revision": revision, "password": PASSWORD})
    assert again.status_code == 409
    late = rita.post(f"/item/{code}/draft/", answers(4) | {"revision": revision})
    assert late.status_code == 409
    assert Reading.objects.count() == 1
    assert Reading.objects.get().answers.count('"head_erythema":2') == 1


def test_an_old_window_does_not_undo_a_new_one(opened: Playground) -> None:
    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    assert fill(rita, code, answers(1)) == 1
    assert rita.post(f"/item/{code}/draft/", answers(2) | {"revision": "1"}).json()["revision"] == 2
    assert rita.post(f"/item/{code}/draft/", answers(3) | {"revision": "1"}).status_code == 409
    lost = rita.post(f"/item/{code}/draft/", answers(2) | {"revision": "1"})
    assert lost.json()["revision"] == 2, "the same answers sent again are no other window"
    signed = rita.post(f"/item/{code}/sign/", {"revision": "1", "password": PASSWORD})
    assert signed.status_code == 409, "what was not seen is not signed"


def test_a_signature_takes_the_own_password(opened: Playground) -> None:
    from grasp_psonet.reading.app.models import Reading

    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    revision = fill(rita, code, answers(2))
    for typed in ("", "wrong", PASSWORD + "\0"):
        assert rita.post(f"/item/{code}/sign/", {"revision": revision, "password": typed}).status_code == 400
    assert Reading.objects.count() == 0
    for _ in range(5):
        last = rita.post(f"/item/{code}/sign/", {"revision": revision, "password": "wrong"})
    assert last.status_code == 429
    assert rita.post(f"/item/{code}/sign/", {"revision": revision, "password": PASSWORD}).status_code == 429


def test_wrong_passwords_lock_an_account_and_nobody_else(opened: Playground) -> None:
    client = opened.client()
    statuses = [client.post("/sign-in/", {"username": "rita", "password": f"no {n}"}).status_code for n in range(6)]
    assert statuses[:4] == [400] * 4
    assert statuses[4:] == [429, 429]
    assert client.post("/sign-in/", {"username": "rita", "password": PASSWORD}).status_code == 429
    assert opened.client("rob").get("/queue/").status_code == 200
    assert num_entries(action="session.refused", subject="account rita") >= 4
    assert num_entries(action="account.locked_out", subject="account rita") >= 1
    answer = opened.client("cora").post("/people/rita/", {"action": "password"}).content.decode()
    password = re.search(r"<code>([\w-]{16})</code>", answer)
    assert password is not None
    assert client.post("/sign-in/", {"username": "rita", "password": password[1]}).status_code == 302


def test_what_is_typed_for_an_unknown_account_is_not_kept(opened: Playground) -> None:
    opened.client().post("/sign-in/", {"username": "my secret password", "password": "x"})
    assert num_entries(action="session.refused", subject="unknown account") == 1
    assert num_entries(subject__contains="secret password") == 0


def test_a_first_password_is_changed_before_anything_else(opened: Playground) -> None:
    page = opened.client("cora").post("/people/", {"username": "nina", "full_name": "Nina New", "role": "reader"})
    password = re.search(r"<code>([\w-]{16})</code>", page.content.decode())
    assert password is not None
    nina = opened.client()
    nina.post("/sign-in/", {"username": "nina", "password": password[1]})
    assert nina.get("/queue/")["Location"] == "/password/"
    for new in ("short", "nina-new-nina", "123456789012", "password1234", password[1]):
        told = {"old": password[1], "new": new, "again": new}
        assert nina.post("/password/", told).status_code == 400
    told = {"old": password[1], "new": PASSWORD, "again": PASSWORD}
    assert nina.post("/password/", told).status_code == 302
    assert nina.get("/queue/").status_code == 200


def test_a_session_that_rests_too_long_ends(opened: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    rita = opened.client("rita")
    assert rita.get("/queue/").status_code == 200
    later = time.time() + 21 * 60
    monkeypatch.setattr("grasp_psonet.reading.app.middleware.time.time", lambda: later)
    assert rita.get("/queue/")["Location"] == "/sign-in/"
    assert num_entries(action="session.timed_out", actor="rita") == 1


def test_a_closed_account_is_out_at_once(opened: Playground) -> None:
    rita, cora = opened.client("rita"), opened.client("cora")
    assert rita.get("/queue/").status_code == 200
    assert cora.post("/people/rita/", {"action": "close", "reason": "left"}).status_code == 302
    assert rita.get("/queue/")["Location"] == "/sign-in/"
    assert opened.client().post("/sign-in/", {"username": "rita", "password": PASSWORD}).status_code == 400
    assert cora.post("/people/cora/", {"action": "close", "reason": "x"}).status_code == 409


def test_a_signed_reading_is_changed_only_as_the_charter_says(opened: Playground) -> None:
    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    sign(rita, code, fill(rita, code, answers(2)))
    assert rita.post(f"/item/{code}/correct/", {"reason": "a slip"}).status_code == 409


def test_unknown_hosts_are_refused(opened: Playground) -> None:
    assert opened.client().get("/sign-in/", headers={"host": "evil.example"}).status_code == 400


def test_readers_are_done_when_they_are_done(opened: Playground) -> None:
    rita = opened.client("rita")
    read_all(rita, lambda visit: 1)
    assert "All done" in rita.get("/queue/").content.decode()
