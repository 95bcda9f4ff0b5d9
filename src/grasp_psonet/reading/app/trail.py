"""Writing the trail and proving it."""

import hmac
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from grasp_psonet.errors import FileError
from grasp_psonet.reading.app.models import Entry, Head, Reading, Round, User
from grasp_psonet.reading.chain import START, Body, ChainCheck
from grasp_psonet.reading.charter import canonical, digest
from grasp_psonet.reading.place import AppPlace

COMMAND_LINE = "command line"
NOBODY = "not signed in"


def now() -> str:
    """This moment, UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def record(
    actor: User | str, action: str, subject: str = "", *, before: Any = None, after: Any = None, reason: str = ""
) -> Entry:
    """Adds an entry to the trail, inside the transaction of what it tells.

    ``actor``: the account, or in words who acted without one. ``before`` and ``after`` are plain values; None: nothing.
    """
    name, role = (actor.username, actor.role) if isinstance(actor, User) else (actor, "")
    with transaction.atomic():
        head = Head.objects.select_for_update().get(pk=1)
        told = ["" if value is None else canonical(value) for value in (before, after)]
        body = Body(head.number + 1, now(), name[:60], role, action, subject[:120], told[0], told[1], reason)
        fields = vars(body)
        entry = Entry.objects.create(**fields, previous=head.hash, hash=body.hash_after(head.hash))
        head.number, head.hash, head.mac = entry.number, entry.hash, _mac(entry.number, entry.hash)
        head.save()
    return entry


def first_head() -> None:
    """The head of an empty trail."""
    Head.objects.get_or_create(pk=1, defaults={"number": 0, "hash": START, "mac": _mac(0, START)})


def anchor() -> None:
    """Writes number and hash of the last entry to a file beside the database; ``verify`` asks for every one of them."""
    head = Head.objects.get(pk=1)
    place: AppPlace = settings.GRASP_PLACE
    line = json.dumps({"at": now(), "number": head.number, "hash": head.hash}) + "\n"
    try:
        with place.anchors.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileError(f"{place.anchors} cannot be written: {error.strerror}\n  next: make room") from None


def verify() -> tuple[int, str]:
    """Number of entries that hold from the first on, and the first fault in words; empty where all is proven.

    Proves the chain, its head, the anchors, and that readings, roles and charters are as the trail says.
    """
    check, told = ChainCheck(), _Told()
    hashes = [START]
    for entry in Entry.objects.order_by("number").iterator(2000):
        if not check.take(entry.link()):
            return check.number, check.fault
        hashes.append(entry.hash)
        told.take(entry)
    for fault in (*_head_faults(check), *_anchor_faults(hashes), *told.faults()):
        return check.number, fault
    return check.number, ""


def _mac(number: int, last: str) -> str:
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, f"head of the trail {number} {last}".encode(), "sha256").hexdigest()


def _head_faults(check: ChainCheck) -> Iterator[str]:
    head = Head.objects.filter(pk=1).first()
    if head is None:
        yield "the head of the trail is missing"
        return
    if head.number > check.number:
        yield f"the trail was cut: it ends with entry {check.number}, its head says {head.number}"
    if (head.number, head.hash) != (check.number, check.last) or not hmac.compare_digest(
        head.mac, _mac(head.number, head.hash)
    ):
        yield f"the head of the trail (entry {head.number}) is not what the app wrote"


def _anchor_faults(hashes: list[str]) -> Iterator[str]:
    place: AppPlace = settings.GRASP_PLACE
    if not place.anchors.exists():
        if len(hashes) > 1:
            yield f"{place.anchors.name} is missing, and the trail has entries"
        return
    for row, line in enumerate(place.anchors.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            told = json.loads(line)
            number, last = int(told["number"]), str(told["hash"])
        except (ValueError, KeyError, TypeError):
            yield f"{place.anchors.name} is damaged in row {row}"
            return
        if not 0 <= number < len(hashes):
            yield f"the trail was cut: it ends with entry {len(hashes) - 1}, and held {number} at {told.get('at')}"
        elif hashes[number] != last:
            yield f"entry {number} is not the one that stood there at {told.get('at')}: the trail was written anew"


class _Told:
    """What the trail says must stand in the database now."""

    def __init__(self) -> None:
        self.readings: dict[tuple[str, int], str] = {}
        self.roles: dict[str, str] = {}
        self.charters: dict[str, str] = {}

    def take(self, entry: Entry) -> None:
        """Learns from an entry whose hash is proven."""
        after = json.loads(entry.after) if entry.after else {}
        match entry.action:
            case "reading.signed":
                self.readings[entry.subject, int(after["version"])] = after["digest"]
            case "account.created" | "account.role":
                self.roles[entry.subject] = after["role"]
            case "round.made":
                self.charters[entry.subject] = after["charter_digest"]

    def faults(self) -> Iterator[str]:
        """Rows that are not as told, in words."""
        yield from self._of_readings()
        for user in User.objects.order_by("pk"):
            wanted = self.roles.pop(f"account {user.username}", None)
            if wanted != user.role:
                yield f"account {user.username} is {user.role}; the trail says {wanted or 'that it was never made'}"
        for one in Round.objects.order_by("pk"):
            if self.charters.pop(f"round {one.name}", None) != digest(one.charter):
                yield f"the charter of round {one.name} is not the one that the round was made with"
        for subject in (*self.roles, *self.charters):
            yield f"{subject} was made and is gone"

    def _of_readings(self) -> Iterator[str]:
        for reading in Reading.objects.select_related("item__reader").order_by("pk"):
            wanted = self.readings.pop((f"item {reading.item.code}", reading.version), None)
            name = f"reading {reading.pk} (item {reading.item.code}, version {reading.version})"
            if wanted is None:
                yield f"{name} was never signed: the trail does not know it"
            elif wanted != reading.digest:
                yield f"{name} was changed after it was signed"
        for subject, version in self.readings:
            yield f"the reading of {subject}, version {version}, was signed and is gone"
