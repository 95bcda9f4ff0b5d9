"""Nothing that a reader's session receives says what the study knows: every byte of it is read."""

import io
import re
from typing import Any

import pytest
from PIL import Image

from tests.reading.played_study import NUM_VISITS, secrets_of_the_study, visit_id
from tests.reading.playground import PASSWORD, Playground, answers, current, fill, sign


class Wiretap:
    """A browser whose every answer is kept, headers and all."""

    def __init__(self, client: Any) -> None:
        self.client, self.kept = client, list[bytes]()
        self.photos: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        def asked(*args: Any, **named: Any) -> Any:
            answer = getattr(self.client, name)(*args, **named)
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            head = "\n".join(f"{key}: {value}" for key, value in answer.items())
            cookies = answer.cookies.output()
            self.kept.append(f"{answer.status_code}\n{head}\n{cookies}\n".encode() + content)
            if answer.get("Content-Type") == "image/jpeg":
                self.photos.append(content)
            return answer

        return asked


def _read_through(tap: Wiretap, grade: int) -> None:
    """All that a reader does: the queue, every visit with its photos in both sizes, saving, signing, odd addresses."""
    tap.get("/queue/")
    while (code := current(tap)) is not None:
        page = tap.get(f"/item/{code}/").content.decode()
        photos = sorted(set(re.findall(r"/photo/[\w-]{22}/(?:small|large)/", page)))
        assert photos
        for address in photos:
            assert tap.get(address).status_code == 200
        revision = fill(tap, code, answers(grade) | {"comment": "seen"})
        tap.get(f"/item/{code}/sign/")
        sign(tap, code, revision)
        tap.get(f"/item/{code}/")
    for address in (
        "/",
        "/queue/",
        "/trail/",
        "/rounds/",
        "/rounds/first/",
        "/people/",
        "/password/",
        "/static/reading/form.js",
    ):
        tap.get(address)


@pytest.fixture(scope="module")
def tapped(template: Playground, tmp_path_factory: pytest.TempPathFactory) -> list[Wiretap]:
    """Two readers who see every visit differently, and the adjudicator after them."""
    from django.db import connections

    from tests.reading.playground import copied

    playground = copied(template, tmp_path_factory.mktemp("tapped") / "study")
    playground.open_round()
    taps = []
    for name, grade in (("rita", 1), ("rob", 4), ("ada", 2)):
        tap = Wiretap(playground.client())
        tap.get("/sign-in/")
        tap.post("/sign-in/", {"username": name, "password": PASSWORD})
        _read_through(tap, grade)
        taps.append(tap)
    connections.close_all()
    return taps


def test_no_word_of_the_study_reaches_a_reader(tapped: list[Wiretap]) -> None:
    words = [word.lower() for word in secrets_of_the_study()] + [visit_id(v) for v in range(NUM_VISITS)]
    for tap in tapped:
        assert len(tap.kept) > 50
        assert len(tap.photos) >= 6 * 3 * 2
        for answer in tap.kept:
            text = answer.lower()
            is_photo = b"image/jpeg" in text[:400]
            if is_photo:  # scores are two digits, which pixels may spell by chance; words are not
                told = [word for word in words if len(word) > 5 and word.encode() in text]
            else:
                told = [
                    word
                    for word in words
                    if re.search(rf"(?<![\w.]){re.escape(word)}(?![\d])", text.decode("utf-8", "replace"))
                ]
            assert not told, (told, answer[:300])


def test_no_other_reader_and_no_mark_of_repeats_reaches_a_reader(tapped: list[Wiretap]) -> None:
    others = {0: ("rob", "ada", "cora"), 1: ("rita", "ada", "cora"), 2: ("rita", "rob", "cora")}
    for number, tap in enumerate(tapped):
        for answer in tap.kept:
            if b"image/jpeg" in answer[:400] or b"static" in answer[:200] or b"text/javascript" in answer[:400]:
                continue
            text = answer.partition(b"<!doctype html>")[2].decode("utf-8", "replace").lower()
            told = [
                name
                for name in (*others[number], "repeat", "flagged", "control", "audit", "adjudic")
                if re.search(rf"\b{name}", text)
            ]
            if number == 2:  # the adjudicator's own role, in no other word
                told = [name for name in told if name != "adjudic"]
            assert not told, (told, text[:300])


def test_photos_are_fresh_pixels_of_reading_size(tapped: list[Wiretap]) -> None:
    for tap in tapped:
        for data in tap.photos:
            image = Image.open(io.BytesIO(data))
            assert not image.getexif()
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert max(image.size) in (400, 240)
            image.load()


def test_readers_share_no_code_and_no_order(tapped: list[Wiretap]) -> None:
    codes = [set(re.findall(rb"/(?:item|photo)/([\w-]{22})/", b"\n".join(tap.kept))) for tap in tapped]
    assert all(len(found) > 20 for found in codes)
    assert not codes[0] & codes[1]
    assert not codes[0] & codes[2]


def test_the_trap_works() -> None:
    """The words are found where they are: else nothing was shown."""
    page = f"<p>{visit_id(3)}</p> 23.9".encode()
    words = [
        word
        for word in (*secrets_of_the_study(), visit_id(3))
        if re.search(rf"(?<![\w.]){re.escape(word)}(?![\d])", page.decode())
    ]
    assert {"zqvisit", "23.9", visit_id(3)} <= set(words)
