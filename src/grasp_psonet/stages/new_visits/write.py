"""The files that ``grasp predict --out FOLDER`` leaves: tables, JSON, and one page."""

import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from grasp_psonet.errors import FileError
from grasp_psonet.files import write_json, write_whole
from grasp_psonet.report.new_visits import MOST_PICTURES, MOST_VISITS, NewVisitsPage, ShownPhoto, ShownVisit, render
from grasp_psonet.stages.new_visits.pixels import PixelFile
from grasp_psonet.stages.new_visits.predict import NewVisits, about
from grasp_psonet.tables.columns import (
    ATTENTION,
    IS_FAR,
    NEARER,
    NUM_PHOTOS,
    PHOTO_ID,
    PREDICTED,
    PREDICTED_CLASS,
    QUALITY,
    VISIT_ID,
    WARNINGS,
    calibrated_columns,
    probability_columns,
)
from grasp_psonet.tables.safe_csv import safe_frame, write_safe_csv
from grasp_psonet.tables.schemas.runs import NEW_PHOTOS, NEW_VISITS

_JSON = "predictions.json"
_PICTURE_PX = 112
_FLOATS = "%.4f"


def refuse_taken(folder: Path) -> None:
    """Raises FileError where the folder cannot be made, or holds the answers to another batch."""
    if (folder / _JSON).exists():
        raise FileError(f"{folder} holds predictions already; they are left alone\n  next: name another folder")
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder} is a file\n  next: name a folder, or a file that ends in .csv")
    if not folder.parent.is_dir():
        raise FileError(f"there is no folder {folder.parent}\n  next: name a folder in one that is there")


def write_answers(new: NewVisits, file: Path | None) -> None:
    """The visits with their answer alone as CSV, to a file (with a byte order mark) or to standard output."""
    if file is None:
        safe_frame(new.answers).to_csv(sys.stdout, index=False, float_format=_FLOATS)
    else:
        write_safe_csv(new.answers, file, _FLOATS)


def write_new_visits(new: NewVisits, folder: Path) -> None:
    """Leaves visits and photos as parquet and CSV, ``predictions.json`` and ``predictions.html`` in the folder."""
    folder.mkdir(exist_ok=True)
    visits = new.visits.astype({PREDICTED: str})  # of an outcome that is no scale of classes it is a number
    for name, table, frame in (("visits", NEW_VISITS, visits), ("photos", NEW_PHOTOS, new.photos)):
        table.write(frame, folder / f"{name}.parquet")
        write_safe_csv(frame, folder / f"{name}.csv")
    page = render(_page(new))
    write_whole(folder / "predictions.html", lambda beside: beside.write_text(page, encoding="utf-8"))
    photos_of = dict(list(new.photos.groupby(VISIT_ID, sort=False)))
    answers = [
        record | {"photos": _records(photos_of[record[VISIT_ID]].drop(columns=VISIT_ID))}
        for record in _records(new.visits)
    ]
    write_json(folder / _JSON, about(new) | {"visits": answers}, sort_keys=False)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; null where a value is missing."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return records


def _page(new: NewVisits) -> NewVisitsPage:
    classes = new.run.outcome.classes if new.run.outcome.gives_probabilities else ()
    is_calibrated = new.calibration.source != "none"
    columns = calibrated_columns(classes) if is_calibrated else probability_columns(classes)
    first = np.cumsum([0, *new.visits[NUM_PHOTOS]])
    shown = []
    for number, visit in enumerate(new.visits.to_dict("records")):
        photos = new.photos.iloc[first[number] : first[number + 1]]
        pictures = (
            [] if number >= MOST_VISITS else _shown_photos(new, photos, new.rows[first[number] : first[number + 1]])
        )
        share = visit[NEARER]
        shown.append(
            ShownVisit(
                visit_id=str(visit[VISIT_ID]),
                num_photos=int(visit[NUM_PHOTOS]),
                predicted=str(visit[PREDICTED]) + (f" ({visit[PREDICTED_CLASS]})" if PREDICTED_CLASS in visit else ""),
                probabilities=tuple(float(visit[column]) for column in columns),
                nearer=None if math.isnan(share) else float(share),
                warnings=tuple(filter(None, str(visit[WARNINGS]).split("; "))),
                photos=tuple(pictures),
            )
        )
    return NewVisitsPage(new.run.name, tuple(classes), is_calibrated, tuple(shown), about(new))


def _shown_photos(new: NewVisits, photos: pd.DataFrame, rows: tuple[int, ...]) -> list[ShownPhoto]:
    """The most attended photos of a visit, in the order of attention."""
    order = np.argsort(-photos[ATTENTION].to_numpy(), kind="stable")[:MOST_PICTURES]
    return [
        ShownPhoto(
            photo_id=str(photos[PHOTO_ID].iloc[at]),
            attention=float(photos[ATTENTION].iloc[at]),
            is_far=bool(photos[IS_FAR].fillna(False).iloc[at]),
            quality=str(photos[QUALITY].iloc[at]),
            picture=_picture(new.new.instances[rows[at]]) if isinstance(new.new.instances, PixelFile) else None,
        )
        for at in order
    ]


def _picture(pixels: np.ndarray) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((_PICTURE_PX, _PICTURE_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
