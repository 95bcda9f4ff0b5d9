"""Error by error: photos and errors name each other, thumbnails are those of the photos named, and the list says it all."""

import io
import re

import numpy as np
from PIL import Image

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.report.lists import traced_list
from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from grasp_psonet.report.sprites import COLUMNS, sprites_of
from grasp_psonet.report.thumbs import shown_at, style_of_sheets
from grasp_psonet.report.traced import harmful_photos
from tests.report.fake import fake_report
from tests.report.fake_traced import traced


def test_photos_and_errors_name_each_other() -> None:
    made = traced()
    by_error = {
        (error.visit_id, one.photo_id, one.score, rank)
        for error in made.errors
        for rank, one in enumerate(error.harmful, start=1)
    }
    by_photo = {(e.visit_id, photo.photo_id, e.score, e.rank) for photo in made.photos for e in photo.errors}
    assert by_photo == by_error
    assert len(by_photo) == sum(len(photo.errors) for photo in made.photos) == 20
    assert all(made.errors[e.number].visit_id == e.visit_id for photo in made.photos for e in photo.errors)
    counts = [len(photo.errors) for photo in made.photos]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 2
    twice = [sum(e.score for e in photo.errors) for photo in made.photos if len(photo.errors) == 2]
    assert twice == sorted(twice), "of as many errors the lowest sum first"
    assert harmful_photos(()) == ()


def test_links_lead_from_an_error_to_its_photos_and_back() -> None:
    html = render(fake_report())
    tree = results(fake_report())["traced"]
    place_of = {photo["photo_id"]: number for number, photo in enumerate(tree["photos"])}
    bodies = re.findall(r'<div class="body" id="error-(\d+)"(.*?)</details>', html, flags=re.DOTALL)
    assert [int(number) for number, _ in bodies] == [0, 1, 2, 3]
    for error, (_, body) in zip(tree["errors"], bodies, strict=True):
        assert [int(n) for n in re.findall(r'href="#pushing-(\d+)"', body)] == [
            place_of[one["photo_id"]] for one in (*error["harmful"], *error["helpful"]) if one["photo_id"] in place_of
        ]
    items = re.findall(r'<li id="pushing-(\d+)"(.*?)</li>', html, flags=re.DOTALL)
    assert len(items) == len(tree["photos"])
    for photo, (number, item) in zip(tree["photos"], items, strict=True):
        assert place_of[photo["photo_id"]] == int(number)
        assert [int(n) for n in re.findall(r'href="#error-(\d+)"', item)] == [e["number"] for e in photo["errors"]]


def test_a_thumbnail_shows_the_photo_that_it_is_named_for() -> None:
    rng = np.random.default_rng(3)
    for count in (1, COLUMNS, COLUMNS + 1, 100, 101, 237):
        tones = rng.integers(0, 256, (count, 3))
        keys = [("photo", f"p-{number}") for number in range(count)]
        pictures = [(key, np.full((9, 9, 3), tone, np.uint8)) for key, tone in zip(keys, tones, strict=True)]
        made = sprites_of([*pictures, (keys[0], np.zeros((9, 9, 3), np.uint8))], 6, quality=95)
        sheets = [Image.open(io.BytesIO(sheet)).convert("RGB") for sheet in made.sheets]
        scales = re.findall(r"background-size:(\d+)% (\d+)%", style_of_sheets(made))
        for (kind, photo_id), tone in zip(keys, tones, strict=True):
            at = shown_at(made, kind, photo_id)
            assert at is not None
            sheet, (across, down) = sheets[at.sheet], re.findall(r"[\d.]+(?=%)", at.style)
            columns, rows = (int(scale) // 100 for scale in scales[at.sheet])
            x = float(across) / 100 * (columns - 1) * sheet.width / columns + sheet.width / columns / 2
            y = float(down) / 100 * (rows - 1) * sheet.height / rows + sheet.height / rows / 2
            assert np.abs(np.array(sheet.getpixel((int(x), int(y)))) - tone).max() < 24, (count, photo_id)
    assert shown_at(made, "map", "p-0") is None
    assert shown_at(None, "photo", "p-0") is None


def test_the_list_of_traced_errors_has_every_photo_of_every_error() -> None:
    made = traced()
    table = traced_list(made, Outcome())
    assert len(table) == sum(len(error.harmful) + len(error.helpful) for error in made.errors) == 35
    first = table[(table["error_visit_id"] == "v-312") & (table["influence"] == "harmful")]
    assert first["rank"].tolist() == list(range(1, 6))
    assert first["photo_id"].tolist() == [one.photo_id for one in made.errors[1].harmful]
    assert first["error_label"].unique().tolist() == ["moderate"]
    assert first["error_predicted"].unique().tolist() == ["severe"]
    assert (first["score"] < 0).all()
    assert first["is_removed"].tolist() == ["yes"] * 4 + ["no"]
