"""Rounds: made from the command line, opened and locked by a coordinator."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from grasp_psonet.errors import StudyError
from grasp_psonet.reading.app.adjudication import hang
from grasp_psonet.reading.app.answering import RefusedError
from grasp_psonet.reading.app.models import Case, Item, Photo, Round, User
from grasp_psonet.reading.app.models.people import ADJUDICATOR, READER
from grasp_psonet.reading.app.models.rounds import DRAFT, LOCKED, OPEN, SIGNED
from grasp_psonet.reading.app.trail import anchor, record
from grasp_psonet.reading.charter import Charter
from grasp_psonet.reading.draw import queue_of
from grasp_psonet.reading.photo_files import StoredPhoto


@dataclass(frozen=True)
class PlannedCase:
    """A visit to be read, with its photos in the order of the hanging protocol."""

    visit_id: str
    is_flagged: bool
    photos: tuple[StoredPhoto, ...]


def refuse_round(charter: Charter) -> None:
    """Raises StudyError where a round cannot be made: its name is taken, or its readers are not what they must be."""
    if Round.objects.filter(name=charter.round).exists():
        raise StudyError(f"there is a round {charter.round} already\n  next: choose another name")
    if not charter.readers:
        raise StudyError("a round needs readers\n  next: --readers NAME,NAME")
    if charter.adjudicate != "none" and len(charter.readers) < 2:
        raise StudyError(
            f"reading.adjudicate is {charter.adjudicate}, which takes two readers\n  next: name another, or none"
        )
    if charter.adjudicate != "none" and not charter.adjudicators:
        raise StudyError(
            f"reading.adjudicate is {charter.adjudicate}, and nobody adjudicates\n  next: --adjudicators NAME, or "
            "--reading.adjudicate none"
        )
    names = (*charter.readers, *charter.adjudicators)
    if len(set(names)) < len(names):
        raise StudyError(f"an account is named twice: {', '.join(names)}\n  next: name each reader once")
    for role, wanted in ((READER, charter.readers), (ADJUDICATOR, charter.adjudicators)):
        for name in wanted:
            user = User.objects.filter(username=name).first()
            if user is None or user.role != role or not user.is_active:
                is_what = "no account" if user is None else user.role if user.is_active else "closed"
                told = f"{name} is to be {role} of the round and is {is_what}"
                raise StudyError(f"{told}\n  next: grasp read add-user STUDY {name} --role {role}")


def make_round(charter: Charter, cases: Sequence[PlannedCase]) -> Round:
    """The round with every reader's queue, not yet open. Raises as ``refuse_round`` does."""
    with transaction.atomic():
        refuse_round(charter)
        made = Round.objects.create(name=charter.round, charter=charter.as_json())
        case_of: dict[str, Case] = {}
        for planned in cases:
            case = Case.objects.create(round=made, visit_id=planned.visit_id, is_flagged=planned.is_flagged)
            case_of[planned.visit_id] = case
            Photo.objects.bulk_create(
                [Photo(case=case, position=place, **vars(one)) for place, one in enumerate(planned.photos)]
            )
        for name in charter.readers:
            reader = User.objects.get(username=name)
            for place, turn in enumerate(queue_of(list(case_of), charter.repeats, (charter.seed, charter.round, name))):
                hang(Item.objects.create(case=case_of[turn.visit_id], reader=reader, kind=turn.kind, position=place))
        after = {"charter_digest": charter.digest, "visits": len(cases)}
        record("command line", "round.made", f"round {charter.round}", after=after)
    return made


def open_round(user: User, one: Round) -> None:
    """Lets readers begin; the charter is fixed from here on. The password was asked for by the caller."""
    with transaction.atomic():
        one = Round.objects.select_for_update().get(pk=one.pk)
        if one.state != DRAFT:
            raise RefusedError(f"round {one.name} is {one.state} already")
        one.state = OPEN
        one.save(update_fields=["state"])
        after = {"state": OPEN, "charter_digest": one.rules.digest, "signed_by": user.full_name}
        record(user, "round.opened", f"round {one.name}", before={"state": DRAFT}, after=after)
    anchor()


def lock_round(user: User, one: Round, reason: str) -> None:
    """Ends a round for good. ``reason``: needed where items are not signed. The password was asked for by the caller."""
    with transaction.atomic():
        one = Round.objects.select_for_update().get(pk=one.pk)
        if one.state != OPEN:
            raise RefusedError(f"round {one.name} is {one.state}, not open")
        num_open = Item.objects.filter(case__round=one).exclude(state=SIGNED).count()
        if num_open and not reason.strip():
            raise RefusedError(
                f"{num_open} visits are not signed yet; a round is locked before its end only with a reason"
            )
        one.state = LOCKED
        one.save(update_fields=["state"])
        after = {"state": LOCKED, "not_signed": num_open, "signed_by": user.full_name}
        record(user, "round.locked", f"round {one.name}", before={"state": OPEN}, after=after, reason=reason)
    anchor()
