"""What happens to a reader's item: opened, saved, signed, corrected. One transaction each, with its entry on the trail."""

from django.db import transaction

from grasp_psonet.errors import GraspError
from grasp_psonet.reading.app.adjudication import adjudicate_where_asked
from grasp_psonet.reading.app.models import Draft, Item, Reading, User
from grasp_psonet.reading.app.models.rounds import OPEN, SIGNED, STARTED, WAITING
from grasp_psonet.reading.app.trail import now, record
from grasp_psonet.reading.charter import canonical
from grasp_psonet.reading.form import Answers

MEANING = "I have read this visit, and these are my answers."


class RefusedError(GraspError):
    """What was asked for cannot be done now, in words for the reader."""


def current_item(user: User) -> Item | None:
    """The item that an account reads next: the first that is not signed, of the oldest open round."""
    mine = Item.objects.filter(reader=user, case__round__state=OPEN).exclude(state=SIGNED)
    return mine.select_related("case__round").order_by("case__round__pk", "position").first()


def open_item(user: User, item: Item) -> None:
    """Notes that a reader has an item before them; once for each time it is opened."""
    with transaction.atomic():
        item = _locked(item)
        if item.state == WAITING:
            item.state = STARTED
            item.save(update_fields=["state"])
        record(user, "item.opened", f"item {item.code}")


def draft_of(item: Item) -> Draft:
    """The draft of an item; of an item that has none, an empty one that is not in the database."""
    found = Draft.objects.filter(item=item).first()
    return found or Draft(item=item, answers=canonical(Answers().as_json()), revision=0)


def save_draft(user: User, item: Item, answers: Answers, revision: int) -> int:
    """Keeps answers; the new revision. ``revision``: the one that the page was made from, or the save before gave.

    The same answers sent again after an answer that got lost are taken for what they are. Raises RefusedError where the item
    is signed, its round is not open, or another window saved meanwhile.
    """
    with transaction.atomic():
        item = _locked(item)
        _refuse_closed(item)
        draft = draft_of(item)
        text = canonical(answers.as_json())
        if revision == draft.revision - 1 and text == draft.answers:
            return draft.revision
        if revision != draft.revision:
            raise RefusedError("this visit was changed in another window; load the page again to go on there")
        if text == draft.answers:
            return draft.revision
        before, draft.answers, draft.revision = draft.answers, text, draft.revision + 1
        draft.save()
        record(user, "draft.saved", f"item {item.code}", before=_tree(before), after=answers.as_json())
        return draft.revision


def sign(user: User, item: Item, revision: int, reason: str = "") -> Reading:
    """The draft as a signed reading, bound to name, time and meaning; the password was asked for by the caller.

    ``reason``: why there is another version. Raises RefusedError where the draft is not that of this revision, lacks an
    answer, or the item has its reading and is not being corrected.
    """
    with transaction.atomic():
        item = _locked(item)
        _refuse_closed(item)
        draft = draft_of(item)
        if draft.revision != revision:
            raise RefusedError("the answers changed since this page was made; look at them again before you sign")
        form = item.case.round.rules.questions()
        answers = Answers.from_json(_tree(draft.answers))
        if lacking := form.lacking(answers):
            raise RefusedError("still to be said: " + "; ".join(lacking))
        version = item.readings.count() + 1
        if version > 1 and not reason:
            raise RefusedError("a new version of a signed reading needs a reason")
        score, grade = form.score_and_class(answers)
        reading = Reading.objects.create(
            item=item,
            version=version,
            answers=draft.answers,
            score=score,
            grade=grade,
            signed_by=user.full_name,
            signed_at=now(),
            meaning=MEANING,
            reason=reason,
        )
        item.state = SIGNED
        item.save(update_fields=["state"])
        after = {"version": version, "digest": reading.digest, "score": score, "class": grade, "meaning": MEANING}
        record(user, "reading.signed", f"item {item.code}", after=after, reason=reason)
        adjudicate_where_asked(item.case)
        return reading


def correct(user: User, item: Item, reason: str) -> None:
    """Opens a signed item for another version. Raises RefusedError unless the charter allows it and there is a reason."""
    with transaction.atomic():
        item = _locked(item)
        if item.case.round.rules.correction != "with_reason" or item.case.round.state != OPEN or item.state != SIGNED:
            raise RefusedError("the charter of this round knows no way back to a signed reading")
        if not reason.strip():
            raise RefusedError("a new version of a signed reading needs a reason")
        item.state = STARTED
        item.save(update_fields=["state"])
        record(user, "item.reopened", f"item {item.code}", reason=reason)


def reason_to_correct(item: Item) -> str:
    """Why a signed item was opened again; empty for an item that was never signed."""
    from grasp_psonet.reading.app.models import Entry

    found = Entry.objects.filter(action="item.reopened", subject=f"item {item.code}").order_by("-number").first()
    return found.reason if found is not None and item.readings.exists() else ""


def _locked(item: Item) -> Item:
    """The item as it is now; nobody else changes it, or its round, until the transaction ends."""
    from grasp_psonet.reading.app.models import Round

    Round.objects.select_for_update().get(pk=item.case.round.pk)
    return Item.objects.select_related("case__round", "reader").get(pk=item.pk)


def _refuse_closed(item: Item) -> None:
    if item.case.round.state != OPEN:
        raise RefusedError("the round is not open")
    if item.state == SIGNED:
        raise RefusedError("this visit is signed already; go on with the next one")


def _tree(text: str) -> dict[str, object]:
    import json

    tree: dict[str, object] = json.loads(text)
    return tree
