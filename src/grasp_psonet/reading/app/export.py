"""A locked round as files of the study: readings, flags, the charter and the trail, which ``grasp revise`` reads."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from django.conf import settings

from grasp_psonet.errors import StudyError
from grasp_psonet.files import write_json, write_whole
from grasp_psonet.reading.app.models import Entry, Reading, Round
from grasp_psonet.reading.app.models.rounds import ADJUDICATION, LOCKED
from grasp_psonet.reading.app.trail import anchor, record, verify
from grasp_psonet.reading.charter import Charter
from grasp_psonet.reading.draw import REPEAT
from grasp_psonet.reading.form import Answers
from grasp_psonet.reading.place import AppPlace
from grasp_psonet.tables.columns import DATE, PHOTO_ID, READER_ID, VISIT_ID
from grasp_psonet.tables.safe_csv import safe_cell


def export_round(name: str) -> Path:
    """Writes a locked round into ``readings/NAME`` of the study; the folder. Files of an export before are replaced.

    readings.csv has one row per signed version: those columns that a table of readings has in a study, then round, role,
    version, when it was signed, whether it is a hidden repeat, and why the visit was not assessable, where it was not.
    flags.csv has one row per photo, reader and kind, of last versions. Raises StudyError for a round that is not there or
    not locked, or where the trail is broken.
    """
    one = Round.objects.filter(name=name).first()
    if one is None:
        known = ", ".join(Round.objects.values_list("name", flat=True)) or "none"
        raise StudyError(f"there is no round {name!a}; rounds here: {known}")
    if one.state != LOCKED:
        raise StudyError(f"round {name} is {one.state}\n  next: a coordinator locks it on its page, then export it")
    _, fault = verify()
    if fault:
        raise StudyError(f"the trail is broken: {fault}\n  next: grasp read verify STUDY; bring the backup back")
    place: AppPlace = settings.GRASP_PLACE
    folder = place.export(name)
    folder.mkdir(parents=True, exist_ok=True)
    readings = _signed(one)
    _write_csv(folder / "readings.csv", _reading_rows(readings, one.rules))
    _write_csv(folder / "flags.csv", _flag_rows(readings))
    record("command line", "round.exported", f"round {name}", after={"readings": len(readings)})
    anchor()
    about = {"state": one.state, "charter_digest": one.rules.digest, "charter": json.loads(one.charter)}
    write_json(folder / "charter.json", about)
    lines = [
        json.dumps(vars(e.link().body) | {"previous": e.previous, "hash": e.hash})
        for e in Entry.objects.order_by("number")
    ]
    write_whole(folder / "trail.jsonl", lambda beside: beside.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    return folder


def _signed(one: Round) -> list[Reading]:
    """Every signed version, by reader, place in the queue and version."""
    found = Reading.objects.filter(item__case__round=one).select_related("item__reader", "item__case__round")
    return list(found.order_by("item__reader__username", "item__position", "version"))


def _reading_rows(readings: list[Reading], rules: Charter) -> list[list[Any]]:
    form, scale = rules.questions(), rules.severity
    score_columns = [] if scale.score_column is None else [scale.score_column]
    parts = [question.name for question in form.questions] if form.kind == "components" else []
    header = [
        VISIT_ID,
        READER_ID,
        *score_columns,
        scale.class_column,
        *parts,
        DATE,
        "round",
        "role",
        "version",
        "signed",
    ]
    rows: list[list[Any]] = [[*header, "repeat", "not_assessable", "comment", "why_changed", "item"]]
    for reading in readings:
        item, answers = reading.item, Answers.from_json(json.loads(reading.answers))
        values = answers.values if answers.assessable else {}
        score = [reading.score] * len(score_columns)
        grade = None if reading.grade is None else str(scale.classes[reading.grade])
        role = "adjudicator" if item.kind == ADJUDICATION else "reader"
        said = (item.case.visit_id, item.reader.username, *score, grade, *(values.get(part) for part in parts))
        signed = (reading.signed_at[:10], rules.round, role, reading.version, reading.signed_at)
        texts = map(safe_cell, (answers.reason, answers.comment, reading.reason))
        rows.append([*said, *signed, "yes" if item.kind == REPEAT else "no", *texts, item.code])
    return rows


def _flag_rows(readings: list[Reading]) -> list[list[Any]]:
    last = {reading.item.pk: reading for reading in readings}
    rows: list[tuple[Any, ...]] = []
    for reading in last.values():
        case, reader = reading.item.case, reading.item.reader.username
        flags = Answers.from_json(json.loads(reading.answers)).flags
        for one in reading.item.photos.select_related("photo").order_by("photo__position"):
            rows += [
                (one.photo.photo_id, reader, kind, case.visit_id, case.round.name) for kind in flags.get(one.code, ())
            ]
    header = [PHOTO_ID, READER_ID, "kind", VISIT_ID, "round"]
    return [header, *(list(row) for row in dict.fromkeys(rows))]  # a repeat may say the same


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["" if cell is None else cell for cell in row] for row in rows])
    write_whole(path, lambda beside: beside.write_text(text.getvalue(), encoding="utf-8"))
