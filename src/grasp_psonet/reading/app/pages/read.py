"""The pages of readers and adjudicators: the queue, a visit, its photos, saving and signing."""

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from grasp_psonet.reading.app.answering import (
    MEANING,
    RefusedError,
    correct,
    current_item,
    draft_of,
    open_item,
    reason_to_correct,
    save_draft,
    sign,
)
from grasp_psonet.reading.app.models import Item, ItemPhoto, User
from grasp_psonet.reading.app.models.people import ADJUDICATOR, READER
from grasp_psonet.reading.app.models.rounds import OPEN, SIGNED
from grasp_psonet.reading.app.pages.faults import locked_out, told
from grasp_psonet.reading.app.pages.guard import only_for, refused
from grasp_psonet.reading.app.pages.session import confirmed
from grasp_psonet.reading.app.pages.shown import answers_in, page_of
from grasp_psonet.reading.form import Answers
from grasp_psonet.reading.photo_files import photo_file

_READERS = (READER, ADJUDICATOR)


@only_for(*_READERS)
def queue(request: HttpRequest, user: User) -> HttpResponse:
    """How many visits are read, and the way on."""
    mine = Item.objects.filter(reader=user, case__round__state=OPEN).select_related("case__round")
    current = current_item(user)
    mine = mine if current is None else mine.filter(case__round=current.case.round)
    signed = [item for item in mine.order_by("position") if item.state == SIGNED]
    shown: dict[str, Any] = {"user": user, "num_signed": len(signed), "num_items": mine.count(), "current": current}
    allows = bool(signed) and signed[0].case.round.rules.correction == "with_reason"
    return render(request, "reading/queue.html", shown | {"signed": signed if allows else []})


@only_for(*_READERS)
def next_item(request: HttpRequest, user: User) -> HttpResponse:
    """To the visit that is to be read now."""
    item = current_item(user)
    return redirect("queue") if item is None else redirect("item", code=item.code)


@only_for(*_READERS)
def item(request: HttpRequest, user: User, code: str) -> HttpResponse:
    """A visit: photos and form."""
    found = _own(user, code)
    if found is None:
        return refused(request, user)
    if found.state == SIGNED:
        return told(request, "Signed", "This visit is signed already. Go on with the next one.")
    open_item(user, found)
    return render(request, "reading/item.html", page_of(user, found, draft_of(found)))


@only_for(*_READERS)
def photo(request: HttpRequest, user: User, code: str, size: str) -> HttpResponse:
    """A photo of an own item, while its round is open."""
    mine = ItemPhoto.objects.filter(code=code, item__reader=user, item__case__round__state=OPEN)
    found = mine.select_related("photo", "item").first()
    if found is None or not (found.item.state != SIGNED and _is_reached(user, found.item)):
        return refused(request, user)
    path = photo_file(settings.GRASP_PLACE.photos, found.photo.file, size == "small")
    return HttpResponse(path.read_bytes(), content_type="image/jpeg")


@only_for(*_READERS, methods=("POST",))
def draft(request: HttpRequest, user: User, code: str) -> HttpResponse:
    """Saves what is filled in so far, from the page's script."""
    found = _own(user, code)
    if found is None:
        return refused(request, user)
    answers, revision, faults = answers_in(request.POST, found)
    if faults:
        return JsonResponse({"told": "; ".join(faults)}, status=400)
    try:
        kept = save_draft(user, found, answers, revision)
    except RefusedError as error:
        return JsonResponse({"told": str(error)}, status=409)
    return JsonResponse({"revision": kept})


@only_for(*_READERS, methods=("GET", "POST"))
def signing(request: HttpRequest, user: User, code: str) -> HttpResponse:
    """Shows the answers and asks for the password; with it, signs them."""
    found = _own(user, code)
    if found is None:
        return refused(request, user)
    if found.state == SIGNED:
        return told(request, "Signed", "This visit is signed already. Go on with the next one.")
    if "password" in request.POST:
        return _sign(request, user, found)
    if request.method == "POST":
        answers, revision, faults = answers_in(request.POST, found)
        if faults:
            return told(request, "Not understood", "; ".join(faults), 400)
        try:
            save_draft(user, found, answers, revision)
        except RefusedError as error:
            return told(request, "Not saved", str(error))
    return _signing_page(request, user, found)


@only_for(*_READERS, methods=("POST",))
def correction(request: HttpRequest, user: User, code: str) -> HttpResponse:
    """Opens a signed visit again, where the charter allows it."""
    found = Item.objects.filter(code=code, reader=user, case__round__state=OPEN).select_related("case__round").first()
    if found is None:
        return refused(request, user)
    reason = request.POST.get("reason", "").strip()
    if len(reason) > 500 or "\0" in reason:
        return told(request, "Not understood", "The reason is too long, or holds letters that no text has.", 400)
    try:
        correct(user, found, reason)
    except RefusedError as error:
        return told(request, "Not opened", str(error))
    return redirect("item", code=code)


def _sign(request: HttpRequest, user: User, item: Item) -> HttpResponse:
    text = request.POST.get("revision", "")
    revision = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1
    if not confirmed(request, user, request.POST["password"]):
        if getattr(request, "axes_locked_out", False):
            return locked_out(request)
        return _signing_page(request, user, item, "The password is wrong; nothing was signed.")
    try:
        sign(user, item, revision, reason_to_correct(item))
    except RefusedError as error:
        return told(request, "Not signed", str(error))
    return redirect("next")


def _signing_page(request: HttpRequest, user: User, item: Item, fault: str = "") -> HttpResponse:
    draft = draft_of(item)
    answers, form = Answers.from_json(json.loads(draft.answers)), item.case.round.rules.questions()
    lacking = form.lacking(answers)
    shown = page_of(user, item, draft) | {"lacking": lacking, "fault": fault, "meaning": MEANING}
    if not lacking:
        score, grade = form.score_and_class(answers)
        shown |= {"score": score, "grade": None if grade is None else form.outcome.classes[grade]}
    return render(request, "reading/sign.html", shown, status=400 if fault else 200)


def _own(user: User, code: str) -> Item | None:
    """The item of this code if it is the account's, of an open round, and signed or the one to be read now."""
    found = Item.objects.filter(code=code, reader=user, case__round__state=OPEN).select_related("case__round").first()
    return found if found is not None and (found.state == SIGNED or _is_reached(user, found)) else None


def _is_reached(user: User, item: Item) -> bool:
    """Whether an item is the one to be read now; no code opens a visit further down the queue."""
    current = current_item(user)
    return current is not None and current.pk == item.pk
