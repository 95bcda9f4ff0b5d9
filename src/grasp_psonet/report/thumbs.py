"""Pictures inside a page: as data addresses, and as thumbnails cut out of the sheets of ``sprites`` by the page's style."""

import base64
from dataclasses import dataclass

from markupsafe import Markup

from grasp_psonet.errors import GraspError
from grasp_psonet.report.sprites import COLUMNS, Sprites

_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


@dataclass(frozen=True)
class ShownAt:
    """A thumbnail on the page: the number of its sheet, and the style that shows its part of it."""

    sheet: int
    style: str


def data_address(image: bytes) -> Markup:
    """An image inside the page. Raises GraspError for bytes that are neither JPEG nor PNG."""
    kind = next((kind for magic, kind in _MAGIC.items() if image.startswith(magic)), None)
    if kind is None:
        raise GraspError(f"a photo of the report begins with {image[:4]!r}; wanted: JPEG or PNG bytes")
    return Markup("data:{};base64,{}").format(kind, base64.b64encode(image).decode())


def style_of_sheets(sprites: Sprites | None) -> Markup:
    """Style rules that show a sheet in elements of class s0, s1, ...; empty without pictures."""
    if sprites is None:
        return Markup("")
    rules = [
        Markup(".s{}{{background-image:url({});background-size:{}% {}%}}\n").format(
            number, data_address(sheet), 100 * COLUMNS, 100 * sprites.rows_of(number)
        )
        for number, sheet in enumerate(sprites.sheets)
    ]
    return Markup("").join(rules)


def shown_at(sprites: Sprites | None, kind: str, photo_id: str) -> ShownAt | None:
    """Where a picture stands; None where there is none."""
    place = None if sprites is None else sprites.places.get((kind, photo_id))
    if sprites is None or place is None:
        return None
    last_row = sprites.rows_of(place.sheet) - 1
    across, down = 100 * place.column / (COLUMNS - 1), 100 * place.row / last_row if last_row else 0.0
    return ShownAt(place.sheet, f"background-position:{across:.2f}% {down:.2f}%")
