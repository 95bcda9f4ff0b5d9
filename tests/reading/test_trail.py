"""The trail: chained, append-only, and every change or cut found by its first broken link."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from grasp_psonet.reading.chain import START, Body, ChainCheck, Link
from tests.reading.playground import Playground, answers, current, fill, sign


def body(number: int, **more: str) -> Body:
    told = {"at": "2026-01-01T00:00:00.000000+00:00", "actor": "rita", "role": "reader", "action": "reading.signed"}
    texts = {"subject": "item x", "before": "", "after": '{"class":1}', "reason": ""}
    return Body(number, **{**told, **texts, **more})


def chain(length: int) -> list[Link]:
    links, previous = [], START
    for number in range(1, length + 1):
        own = body(number, reason=f"reason {number}")
        links.append(Link(own, previous, own.hash_after(previous)))
        previous = links[-1].hash
    return links


def test_an_entrys_hash_is_the_plain_sha256_of_all_of_it() -> None:
    own = body(7, reason="because \u00fc")
    fields = [own.number, own.at, own.actor, own.role, own.action, own.subject, own.before, own.after, own.reason]
    text = "[" + ",".join(json.dumps(part) for part in ["ab", *fields]) + "]"
    assert own.hash_after("ab") == hashlib.sha256(text.encode("ascii")).hexdigest()


@pytest.mark.parametrize("field", ["at", "actor", "role", "action", "subject", "before", "after", "reason"])
def test_a_change_of_any_field_is_found_where_it_is(field: str) -> None:
    links = chain(5)
    own = links[2]
    links[2] = Link(body(3, **{"reason": "reason 3", field: "forged"}), own.previous, own.hash)
    check = ChainCheck()
    taken = [check.take(link) for link in links[:3]]
    assert taken == [True, True, False]
    assert "entry 3" in check.fault
    assert "changed" in check.fault


def test_an_entry_taken_out_put_in_or_swapped_is_found() -> None:
    for odd in (lambda links: links.pop(2), lambda links: links.insert(2, links[2]), lambda links: links.reverse()):
        links = chain(5)
        odd(links)
        check = ChainCheck()
        assert not all(check.take(link) for link in links)
    check = ChainCheck()
    assert all(check.take(link) for link in chain(5)), "a whole chain must hold, or nothing is shown"


def _raw(statement: str) -> None:
    """What somebody with the database's password can do: no trigger stands in the way."""
    from django.db import connection

    with connection.cursor() as cursor:
        for table in ("reading_entry", "reading_reading", "reading_round"):
            if connection.vendor == "postgresql":
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            else:
                cursor.execute("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name=%s", [table])
                for (name,) in cursor.fetchall():
                    cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(statement)


def _fault() -> str:
    from grasp_psonet.reading.app.trail import verify

    return verify()[1]


@pytest.fixture
def read_once(opened: Playground) -> Playground:
    """One reading is signed."""
    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    sign(rita, code, fill(rita, code, answers(1)))
    assert _fault() == ""
    return opened


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE reading_entry SET actor = 'rob' WHERE number = 4", "entry 4"),
        ("UPDATE reading_entry SET after = '{}' WHERE action = 'reading.signed'", "was changed"),
        ("DELETE FROM reading_entry WHERE number = 3", "entry 3 is missing"),
        ("DELETE FROM reading_entry WHERE number >= (SELECT max(number) FROM reading_entry)", "was cut"),
        ("DELETE FROM reading_entry", "was cut"),
        ("UPDATE reading_reading SET score = 0.5", "changed after it was signed"),
        ("UPDATE reading_reading SET answers = answers || ' '", "changed after it was signed"),
        ("UPDATE reading_reading SET signed_by = 'Somebody Else'", "changed after it was signed"),
        ("DELETE FROM reading_reading", "was signed and is gone"),
        ("UPDATE reading_user SET role = 'coordinator' WHERE username = 'rita'", "account rita is coordinator"),
        ("UPDATE reading_round SET charter = replace(charter, 'none', 'with_reason')", "the charter of round first"),
        ("UPDATE reading_head SET number = number - 1", "not what the app wrote"),
    ],
)
@pytest.mark.usefixtures("read_once")
def test_what_is_edited_in_the_database_is_found(statement: str, told: str) -> None:
    _raw(statement)
    assert told in _fault()


@pytest.mark.usefixtures("read_once")
def test_a_trail_cut_together_with_its_head_is_found_by_the_anchors() -> None:
    """With the app's key the head can be forged as well; what was anchored before is still asked for."""
    from django.db import connection

    from grasp_psonet.reading.app.models import Entry, Head
    from grasp_psonet.reading.app.trail import _mac, anchor

    anchor()
    keep = Entry.objects.count() - 3
    entry = Entry.objects.get(number=keep)
    _raw(f"DELETE FROM reading_entry WHERE number > {keep}")
    Head.objects.filter(pk=1).update(number=keep, hash=entry.hash, mac=_mac(keep, entry.hash))
    assert "was cut" in _fault()
    connection.close()


@pytest.mark.usefixtures("read_once")
def test_a_reading_slipped_in_is_found() -> None:
    from grasp_psonet.reading.app.models import Item, Reading

    item = Item.objects.filter(reader__username="rob").first()
    assert item is not None
    signed = {"signed_by": "Rob", "signed_at": "2026-01-01T00:00:00", "meaning": "", "answers": "{}"}
    Reading.objects.create(item=item, version=1, score=1.0, grade=0, **signed)
    assert "was never signed" in _fault()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE reading_entry SET actor = 'rob'",
        "DELETE FROM reading_entry",
        "UPDATE reading_reading SET score = 1",
        "DELETE FROM reading_reading",
        "UPDATE reading_round SET charter = '{}'",
        "UPDATE reading_round SET state = 'draft'",
    ],
)
@pytest.mark.usefixtures("read_once")
def test_the_database_itself_refuses(statement: str) -> None:
    from django.db import DatabaseError, connection

    with connection.cursor() as cursor, pytest.raises(DatabaseError, match=r"never changed or deleted|is fixed"):
        cursor.execute(statement)


def test_verify_names_the_first_broken_link_on_the_command_line(read_once: Playground, capsys: Any) -> None:
    from grasp_psonet.cli import main

    words = ["read", "verify", str(read_once.study), *(["--database", read_once.url] if read_once.url else [])]
    assert main(words) == 0
    assert "none changed, none missing" in capsys.readouterr().out
    read_once.enter()
    _raw("UPDATE reading_entry SET reason = 'better' WHERE number >= 5")
    assert main(words) == 1
    assert "entry 5" in capsys.readouterr().err
    read_once.enter()


@pytest.mark.usefixtures("read_once")
def test_signing_binds_name_time_and_meaning() -> None:
    from grasp_psonet.reading.app.models import Entry, Reading

    reading = Reading.objects.get()
    assert (reading.signed_by, reading.meaning) == ("Rita Full", "I have read this visit, and these are my answers.")
    entry = Entry.objects.get(action="reading.signed")
    assert (entry.actor, entry.role) == ("rita", "reader")
    assert json.loads(entry.after)["digest"] == reading.digest
    assert reading.signed_at.endswith("+00:00")


@pytest.mark.usefixtures("read_once")
def test_workflow_and_access_are_on_the_trail() -> None:
    from grasp_psonet.reading.app.models import Entry

    found = set(Entry.objects.values_list("action", flat=True))
    expected = {
        "account.created",
        "round.made",
        "round.opened",
        "session.began",
        "item.opened",
        "draft.saved",
        "reading.signed",
    }
    assert expected <= found


def test_a_lost_anchor_file_is_told(read_once: Playground) -> None:
    anchors: Path = read_once.study / "reading-app" / "anchors.jsonl"
    anchors.unlink()
    assert "anchors.jsonl is missing" in _fault()
