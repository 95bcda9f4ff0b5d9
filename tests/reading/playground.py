"""The app of a small study in the test's process, with an account of every role and a round; on SQLite, or on PostgreSQL where
GRASP_TEST_POSTGRESQL names a server (postgresql://USER@HOST/NAME; databases are made beside NAME)."""

import os
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

from grasp_psonet.cli import main
from grasp_psonet.reading.app.configure import set_up
from grasp_psonet.reading.place import AppPlace
from tests.reading.played_study import make_study

SERVER = os.environ.get("GRASP_TEST_POSTGRESQL")
PASSWORD = "correct horse battery staple"
PEOPLE = {"cora": "coordinator", "rita": "reader", "rob": "reader", "ada": "adjudicator", "otto": "auditor"}
ROUND = "first"
PARTS = ("erythema", "induration", "desquamation", "area")
REGIONS = ("head", "upper_limbs", "trunk", "lower_limbs")


class Playground:
    """A study's app. ``client`` gives a browser; answers are given by ``fill`` and signed by ``sign``."""

    def __init__(self, study: Path, url: str | None) -> None:
        self.study, self.url = study, url

    def enter(self) -> None:
        """Points Django to this study."""
        set_up(AppPlace(self.study), self.url)
        _quick_hashes()
        if self.url is None:
            _wait_for_no_disk()

    def client(self, name: str | None = None, **more: Any) -> Any:
        """A browser, signed in as an account; it also meets CSRF checks where ``enforce_csrf_checks`` is given."""
        from django.test import Client

        client = Client(SERVER_NAME="localhost", **more)
        if name is not None:
            answer = client.post("/sign-in/", {"username": name, "password": PASSWORD})
            assert answer.status_code == 302, answer.content.decode()
        return client

    def open_round(self, name: str = ROUND) -> None:
        answer = self.client("cora").post(f"/rounds/{name}/open/", {"password": PASSWORD})
        assert answer.status_code == 302, answer.content.decode()

    def lock_round(self, reason: str = "", name: str = ROUND) -> None:
        answer = self.client("cora").post(f"/rounds/{name}/lock/", {"password": PASSWORD, "reason": reason})
        assert answer.status_code == 302, answer.content.decode()


def current(client: Any) -> str | None:
    """The code of the visit that a reader is sent to; None at the end of the queue."""
    answer = client.get("/queue/next/")
    found = re.fullmatch(r"/item/([\w-]{22})/", answer["Location"])
    return found[1] if found else None


def visit_behind(code: str) -> str:
    """The visit of an item, as only the database knows it."""
    from grasp_psonet.reading.app.models import Item

    return Item.objects.get(code=code).case.visit_id


def answers(grade: int, area: int = 3) -> dict[str, str]:
    """The form filled in with one grade everywhere."""
    return {f"v.{region}_{part}": str(area if part == "area" else grade) for region in REGIONS for part in PARTS}


def fill(client: Any, code: str, filled: dict[str, Any]) -> int:
    """Opens a visit and saves answers; the revision."""
    page = client.get(f"/item/{code}/").content.decode()
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision is not None, page
    answer = client.post(f"/item/{code}/draft/", {**filled, "revision": revision[1]})
    assert answer.status_code == 200, answer.content.decode()
    return int(answer.json()["revision"])


def sign(client: Any, code: str, revision: int) -> None:
    answer = client.post(f"/item/{code}/sign/", {"revision": revision, "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()


def read_all(client: Any, grade_of: Any) -> int:
    """Reads a whole queue; ``grade_of`` a visit. The number of readings."""
    count = 0
    while (code := current(client)) is not None:
        sign(client, code, fill(client, code, answers(grade_of(visit_behind(code)))))
        count += 1
    return count


def make_playground(folder: Path, settings: str = "", is_there: bool = False) -> Playground:
    """A study with accounts and a round that is not open yet; the study is made unless it is there."""
    made = Playground(folder if is_there else make_study(folder, settings), new_database() if SERVER else None)
    made.enter()
    from grasp_psonet.reading.app.models import User

    words = ["--database", made.url] if made.url else []
    for name, role in PEOPLE.items():
        assert (
            main(["read", "add-user", str(folder), name, "--role", role, "--full-name", f"{name.title()} Full", *words])
            == 0
        )
    _quick_hashes()
    for user in User.objects.all():
        user.set_password(PASSWORD)
        user.must_change_password = False
        user.save()
    asked = ["read", "make-round", str(folder), ROUND, "--readers", "rita,rob", "--adjudicators", "ada", *words]
    assert main(asked) == 0
    return made


def copied(template: Playground, folder: Path) -> Playground:
    """The same study elsewhere, with a database of its own."""
    from django.db import connections

    connections.close_all()
    shutil.copytree(template.study, folder)
    made = Playground(folder, new_database(template.url) if template.url else None)
    made.enter()
    return made


def new_database(template: str | None = None) -> str:
    """The URL of a new database on the server, like another one where that is told."""
    import psycopg

    assert SERVER is not None
    base, _, _ = SERVER.rpartition("/")
    name = f"grasp_test_{uuid.uuid4().hex[:12]}"
    like = f" TEMPLATE {template.rpartition('/')[2]}" if template else ""
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{like}")
    return f"{base}/{name}"


def _wait_for_no_disk() -> None:
    """SQLite does not wait until the disk has what was written: thousands of writes, and no test here cuts the power."""
    from django.db import connection

    options = connection.settings_dict["OPTIONS"]
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    connection.close()


def _quick_hashes() -> None:
    """Passwords are hashed as quickly as can be: hundreds are checked here, and their strength is Django's to test."""
    from django.conf import settings
    from django.core.signals import setting_changed

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    setting_changed.send(sender=None, setting="PASSWORD_HASHERS", value=settings.PASSWORD_HASHERS, enter=True)
