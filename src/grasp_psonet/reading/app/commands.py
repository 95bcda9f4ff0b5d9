"""What the command line does in the app's database. Django is set up by the first line of each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connections

from grasp_psonet.errors import FileError, StudyError
from grasp_psonet.reading.app.accounts import create_account
from grasp_psonet.reading.app.export import export_round
from grasp_psonet.reading.app.models import Round
from grasp_psonet.reading.app.rounds import PlannedCase, make_round, refuse_round
from grasp_psonet.reading.app.trail import COMMAND_LINE, anchor, first_head, verify
from grasp_psonet.reading.charter import Charter
from grasp_psonet.reading.place import AppPlace


@contextmanager
def database() -> Iterator[None]:
    """The database brought to this version's tables; its faults as FileErrors, and its connections closed at the end."""
    try:
        call_command("migrate", verbosity=0, interactive=False)
        first_head()
        yield
    except DatabaseError as error:
        raise FileError(
            f"the reading app's database cannot be used: {str(error).splitlines()[0]}"
            "\n  next: check that it is there and not damaged; docs/reading-study.md says how a backup is brought back"
        ) from None
    finally:
        connections.close_all()


def add_user(username: str, full_name: str, role: str) -> str:
    """A new account; its one-time password."""
    with database():
        return create_account(COMMAND_LINE, username, full_name, role)


def refuse(charter: Charter) -> None:
    """Raises StudyError where the round cannot be made, before photos are prepared for it."""
    with database():
        refuse_round(charter)


def make(charter: Charter, cases: Sequence[PlannedCase]) -> None:
    """Makes a round."""
    with database():
        make_round(charter, cases)
        anchor()


def prove() -> int:
    """Proves the trail; the number of entries. Raises StudyError naming the first broken link."""
    with database():
        held, fault = verify()
        if fault:
            raise StudyError(
                f"the trail is broken: {fault}\n  {held} entries before it hold"
                "\n  next: keep the database as it is, and compare it with the last backup"
            )
        anchor()
        return held


def export(name: str) -> Path:
    """Writes a locked round into the study."""
    with database():
        return export_round(name)


def round_names() -> list[str]:
    """The rounds there are."""
    with database():
        return [f"{one.name} ({one.state})" for one in Round.objects.order_by("pk")]


def refuse_without_app(place: AppPlace, database_url: str | None) -> None:
    """Raises StudyError where a study has no app yet, for commands that only look."""
    if not place.folder.is_dir() or (database_url is None and not place.database.exists()):
        raise StudyError(
            f"{place.study} has no reading app yet\n  next: grasp read add-user {place.study} NAME --role coordinator"
        )
