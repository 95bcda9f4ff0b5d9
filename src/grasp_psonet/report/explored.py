"""The list of all photos as the page holds it: the columns of results.json as they are, and the sheets of thumbnails."""

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from grasp_psonet.report.explorer import AllPhotos
from grasp_psonet.report.sprites import COLUMNS, ROWS
from grasp_psonet.report.thumbs import data_address

FOLDER = "photos"  # beside the page, where thumbnails are not inside it


@dataclass(frozen=True)
class Explorer:
    """``columns``: JSON that may stand in a page; ``sheets``: addresses of the sheets of thumbnails; ``policy``: what the page
    must be allowed to show besides pictures inside it."""

    columns: Markup
    sheets: tuple[str, ...]
    policy: str


def explorer_of(photos: AllPhotos | None, columns: dict[str, Any] | None) -> Explorer:
    """``columns``: the photos of results.json."""
    if photos is None or columns is None:
        return Explorer(Markup("{}"), (), "")
    told = columns | {"pictures": None}
    if photos.pictures is not None:
        place_of, on_sheet = photos.pictures.places, COLUMNS * ROWS
        places = [place_of.get(("photo", photo_id)) for photo_id in photos.photo_ids]
        told["pictures"] = {
            "edge_px": photos.pictures.edge_px,
            "columns": COLUMNS,
            "rows": [photos.pictures.rows_of(number) for number in range(len(photos.pictures.sheets))],
            "at": [None if at is None else at.sheet * on_sheet + at.row * COLUMNS + at.column for at in places],
        }
    sheets = () if photos.pictures is None else photos.pictures.sheets
    if photos.is_beside:
        return Explorer(json_in_page(told), tuple(sheet_file(number) for number in range(len(sheets))), " 'self' file:")
    return Explorer(json_in_page(told), tuple(map(data_address, sheets)), "")


def sheet_file(number: int) -> str:
    """Where a sheet lies, seen from the page."""
    return f"{FOLDER}/sheet-{number:03d}.jpg"


def json_in_page(told: dict[str, Any]) -> Markup:
    """JSON in which nothing ends the element that it stands in."""
    text = json.dumps(told, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
