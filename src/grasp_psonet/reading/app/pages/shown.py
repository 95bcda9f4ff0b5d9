"""What the reading page holds, and what it sends back. Nothing of the study is in it but photos under codes."""

import json
from itertools import groupby
from typing import Any

from django.http import QueryDict

from grasp_psonet.reading.app.models import Draft, Item, User
from grasp_psonet.reading.form import FLAGS, LONGEST_TEXT, Answers, Form

REASONS = ("photos too bad", "views missing", "not the disease in question", "covered skin", "other")


def page_of(user: User, item: Item, draft: Draft) -> dict[str, Any]:
    """What the template of a visit is filled with."""
    form = item.case.round.rules.questions()
    answers = Answers.from_json(json.loads(draft.answers))
    mine = Item.objects.filter(reader=user, case__round=item.case.round)
    photos = _photos(item, answers)
    return {
        "user": user,
        "code": item.code,
        "number": list(mine.order_by("position").values_list("pk", flat=True)).index(item.pk) + 1,
        "num_items": mine.count(),
        "revision": draft.revision,
        "regions": [(name, list(group)) for name, group in groupby(photos, key=lambda one: one["region"])],
        "num_photos": len(photos),
        "groups": _groups(form, answers),
        "kind": form.kind,
        "answers": answers,
        "reasons": REASONS,
        "flags": FLAGS,
        "longest": LONGEST_TEXT,
        "cutoffs": json.dumps(list(form.outcome.scale.cutoffs)),
    }


def answers_in(sent: QueryDict, item: Item) -> tuple[Answers, int, list[str]]:
    """Answers and revision that a form sent, and the faults in words; with faults the answers mean nothing."""
    form, faults = item.case.round.rules.questions(), list[str]()
    values: dict[str, float] = {}
    for name, text in sent.items():
        if name.startswith("v.") and isinstance(text, str) and text:
            try:
                values[name[2:]] = form.value_of(name[2:], text)
            except ValueError as error:
                faults.append(str(error))
    codes = set(item.photos.values_list("code", flat=True))
    flags: dict[str, tuple[str, ...]] = {}
    for name in sent:
        if name.startswith("f."):
            kinds = tuple(sorted({str(kind) for kind in sent.getlist(name)}))
            if name[2:] not in codes or not set(kinds) <= set(FLAGS):
                faults.append("a flag that is none, or of a photo that is not of this visit")
            flags[name[2:]] = kinds
    texts = {field: sent.get(field, "").replace("\r\n", "\n").strip() for field in ("reason", "comment")}
    for field, text in texts.items():
        if len(text) > LONGEST_TEXT or any(not letter.isprintable() and letter not in "\n\t" for letter in text):
            faults.append(f"the {field} is longer than {LONGEST_TEXT} letters, or holds some that no text has")
    told = sent.get("revision", "")
    revision = int(told) if told.isascii() and told.isdecimal() and len(told) < 9 else -1
    if revision < 0:
        faults.append("the page sent no number of its save")
    is_assessable = sent.get("not_assessable", "") == ""
    return (
        Answers(values, is_assessable, "" if is_assessable else texts["reason"], texts["comment"], flags),
        revision,
        faults,
    )


def _photos(item: Item, answers: Answers) -> list[dict[str, Any]]:
    mine = item.photos.select_related("photo").order_by("photo__position")
    return [
        {
            "code": one.code,
            "region": one.photo.region or "photos",
            "number": number,
            "width": one.photo.width_px,
            "height": one.photo.height_px,
            "flags": answers.flags.get(one.code, ()),
        }
        for number, one in enumerate(mine, 1)
    ]


def _groups(form: Form, answers: Answers) -> list[dict[str, Any]]:
    """Questions by region, each with its choices and the answer given."""
    found = []
    for name, questions in groupby(form.questions, key=lambda one: one.group):
        shown = [{"asked": one, "value": answers.values.get(one.name)} for one in questions]
        found.append({"name": name, "questions": shown})
    return found
