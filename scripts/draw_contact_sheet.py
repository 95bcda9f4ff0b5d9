"""The contact sheets of drawn photos in the documentation: the same plaques on six skin types, and the planted faults; with
--strengths each fault at three strengths.

python scripts/draw_contact_sheet.py docs/images/cohort.png
python scripts/draw_contact_sheet.py --strengths docs/images/fault-strengths.jpg
"""

import argparse
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic.drawing.lesions import Lesion
from grasp_psonet.cohort.synthetic.drawing.photo import PhotoPlan, draw_photo
from grasp_psonet.cohort.synthetic.drawing.skin import FITZPATRICK, random_person
from grasp_psonet.cohort.synthetic.fault_looks import LOOKS

EDGE_PX = 128
GAP_PX = 6
TITLE_PX = 20
GRADES = {
    "mild": Lesion(erythema=1, induration=1, desquamation=1, area_fraction=0.05),
    "moderate": Lesion(erythema=2, induration=2, desquamation=2, area_fraction=0.20),
    "severe": Lesion(erythema=4, induration=3, desquamation=3, area_fraction=0.45),
}
FAULTS = ("colour_cast", "under_exposure", "blur", "background", "marker", "wrong_part")
STRENGTHS = (0.5, 1.0, 2.0)
Cell = tuple[str, PhotoPlan]


def plan_of(fitzpatrick: str, lesion: Lesion, view: str = "lower_back", fault: str = "none") -> PhotoPlan:
    """A photo of one person of this skin type; its plaques keep their places on every type."""
    person = random_person(chance.generator("contact sheet", fitzpatrick), fitzpatrick)
    keys = ("contact sheet", view), ("contact sheet", view, fault)
    return PhotoPlan(person, view, lesion, EDGE_PX, "phone-a", *keys, fault=fault)


def rows() -> list[list[Cell]]:
    """One row per severity with a column per skin type, then a row of faults."""
    by_severity = [
        [(f"{name}, type {kind}", plan_of(kind, lesion)) for kind in FITZPATRICK] for name, lesion in GRADES.items()
    ]
    faults = []
    for fault, kind in zip(FAULTS, ("II", "III", "IV", "II", "I", "III"), strict=True):
        plan = plan_of(kind, GRADES["moderate"], "forearm_left", fault)
        faults.append((fault, replace(plan, drawn_view="knee_left") if fault == "wrong_part" else plan))
    return [*by_severity, faults]


def strengths() -> list[list[Cell]]:
    """A row per strength with a column per fault, the photo without one at its head."""
    base = plan_of("II", GRADES["moderate"], "forearm_left")
    return [
        [("none", base)] + [(f"{fault} {strength:g}", replace(base, fault=fault, strength=strength)) for fault in LOOKS]
        for strength in STRENGTHS
    ]


def sheet(table: list[list[Cell]]) -> Image.Image:
    """The photos side by side, each under its title."""
    wide, high = EDGE_PX + GAP_PX, EDGE_PX + TITLE_PX + GAP_PX
    page = Image.new("RGB", (wide * len(table[0]) + GAP_PX, high * len(table) + GAP_PX), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for r, row in enumerate(table):
        for c, (title, plan) in enumerate(row):
            left, top = GAP_PX + c * wide, GAP_PX + r * high
            draw.text((left, top), title, fill=(40, 40, 40), font=font)
            page.paste(Image.fromarray(draw_photo(plan)), (left, top + TITLE_PX))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strengths", action="store_true", help="each fault at three strengths")
    parser.add_argument("path", type=Path)
    words = parser.parse_args()
    if words.strengths:
        sheet(strengths()).save(words.path, quality=80, optimize=True)
    else:
        sheet(rows()).quantize(256).save(words.path, optimize=True)


if __name__ == "__main__":
    main()
