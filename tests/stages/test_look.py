"""``grasp look``: counts, measures and pictures of the page are those of the study, with and without a store."""

import base64
import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.cli import main
from grasp_psonet.report.look import Measured, histogram
from grasp_psonet.settings import load
from grasp_psonet.stages import look as look_stage
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study
from tests.small_study import write_study


class _Page(HTMLParser):
    """Tables by caption, tiles by name, headings, and the pictures by their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, dict[str, int]] = {}
        self.tiles: dict[str, str] = {}
        self.headings: list[str] = []
        self.pictures: list[tuple[str, bytes]] = []
        self._in, self._caption, self._row = "", "", [""]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        found = dict(attrs)
        if tag == "img":
            self.pictures.append((str(found["alt"]), base64.b64decode(str(found["src"]).partition(",")[2])))

    def handle_data(self, data: str) -> None:
        words = data.strip()
        if not words:
            return
        if self._in == "caption":
            self._caption = words
            self.tables[words] = {}
        elif self._in == "th":
            self._row = [words]
        elif self._in == "td":
            self.tables[self._caption][self._row[0]] = int(words.replace(",", ""))
        elif self._in == "dt":
            self._row = [words]
        elif self._in == "dd":
            self.tiles[self._row[0]] = words
        elif self._in in ("h2", "h3"):
            self.headings.append(words)


def _look(study: Path, *words: str) -> _Page:
    assert main(["look", str(study), *words]) == 0
    return _Page((study / "look/look.html").read_text(encoding="utf-8"))


@pytest.fixture
def own_copy(tiny_demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_demo, tmp_path / "study"))


def test_counts_are_those_of_the_tables(own_copy: Path) -> None:
    page = _look(own_copy)
    visits, photos = (pd.read_csv(own_copy / name) for name in ("visits.csv", "photos.csv"))
    assert page.tiles["Visits"] == str(len(visits))
    assert page.tiles["Photos"] == str(len(photos))
    assert page.tiles["Patients"] == str(visits["patient_id"].nunique())
    assert page.tiles["Visits read twice"] == str(visits["pasi_reader2"].notna().sum())
    assert page.tables["Photos by view"] == photos["view"].value_counts().to_dict()
    assert page.tables["Visits by skin type"] == visits["fitzpatrick"].value_counts().to_dict()
    per_visit = photos["visit_id"].value_counts().value_counts()
    assert page.tables["Visits by number of photos"] == {str(n): c for n, c in per_visit.items()}
    by_class = [page.tables[f"Visits of {split} by class (Reader 1)"] for split in ("train", "val", "test")]
    severity = pd.cut(visits["pasi_reader1"], [-1, 5, 10, 72], labels=["mild", "moderate", "severe"])
    assert pd.DataFrame(by_class).sum().to_dict() == severity.value_counts().to_dict()


def test_sheets_show_the_photos_of_their_visits(own_copy: Path) -> None:
    page = _look(own_copy)
    visits = pd.read_csv(own_copy / "visits.csv")
    assert set(visits["visit_id"]) <= set(page.headings)
    index = pd.read_parquet(own_copy / "store/index.parquet")
    pixels = np.load(own_copy / "store/photos.npy")
    shown = dict(page.pictures)
    assert len(shown) == len(index)
    for row in (0, 50, 100):
        picture = np.asarray(Image.open(io.BytesIO(shown[f"Photo {index['photo_id'][row]}"])), float)
        assert np.abs(picture - pixels[row]).mean() < 6
        assert np.abs(picture - pixels[row + 1]).mean() > 6


def test_the_darkest_and_the_most_blurred_come_first(own_copy: Path) -> None:
    text = (own_copy / "look/look.html") if _look(own_copy) else None
    assert text is not None
    page = text.read_text(encoding="utf-8")
    index = pd.read_parquet(own_copy / "store/index.parquet")
    for words, name, ascending in (("Darkest", "brightness", True), ("Most blurred", "sharpness", True)):
        part = page[page.index(f">{words}<") :]
        wanted = index.sort_values(name, ascending=ascending)["photo_id"].head(6).tolist()
        assert re.findall(r"<figcaption>([^<]+)<", part)[:6] == wanted
    assert page.count('role="img"') == 5


def test_few_visits_are_drawn_from_every_class_and_split(own_copy: Path) -> None:
    job = Job(Study(own_copy), load(own_copy / "study.yaml"))
    drawn = look_stage._drawn(job, job.cohort.visits, 9)
    assert len(drawn) == 9
    assert len(drawn[[job.outcome.label_column, "split"]].drop_duplicates()) == 9
    assert drawn.index.is_monotonic_increasing
    page = _look(own_copy, "--visits", "9")
    assert sum(heading.startswith("v-") for heading in page.headings) == 9
    again = (own_copy / "look/look.html").read_bytes()
    _look(own_copy, "--visits", "9")
    assert (own_copy / "look/look.html").read_bytes() == again


def test_without_a_store_the_shown_photos_are_read_and_damage_is_named(own_copy: Path) -> None:
    stored = _look(own_copy)
    shutil.rmtree(own_copy / "store")
    photos = pd.read_csv(own_copy / "photos.csv")
    torn = own_copy / photos["path"][0]
    torn.write_bytes(torn.read_bytes()[:100])
    page = _look(own_copy)
    text = (own_copy / "look/look.html").read_text(encoding="utf-8")
    first = photos["photo_id"][0]
    assert dict(stored.pictures).keys() - dict(page.pictures).keys() == {f"Photo {first}"}
    assert f"<figcaption>{first}<br>cannot be read: it is" in text
    assert photos["path"][0] not in text, "the page names a file of the originals"
    assert "1 photos cannot be read" in text
    assert str(own_copy) not in text
    assert (
        dict(page.pictures)[f"Photo {photos['photo_id'][5]}"] == dict(stored.pictures)[f"Photo {photos['photo_id'][5]}"]
    )


def test_photos_alike_stand_together(own_copy: Path) -> None:
    photos = pd.read_csv(own_copy / "photos.csv")
    shutil.rmtree(own_copy / "store")
    shutil.copyfile(own_copy / photos["path"][0], own_copy / photos["path"][1])
    _look(own_copy)
    part = (own_copy / "look/look.html").read_text(encoding="utf-8").partition('id="alike"')[2]
    assert re.findall(r"<figcaption>([^<]+)<", part)[:2] == photos["photo_id"].head(2).tolist()


def test_the_page_is_offline_and_everything_is_escaped(own_copy: Path) -> None:
    table = own_copy / "photos.csv"
    table.write_text(table.read_text().replace("face", "<script>alert(1)</script>"))
    (own_copy / "views.csv").unlink()
    shutil.rmtree(own_copy / "store")
    _look(own_copy, "--visits", "2")
    text = (own_copy / "look/look.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "&lt;script&gt;alert(1)" in text
    assert not re.search(r"<script|src=\"(?!data:)|url\(", text)


def test_faces_are_blurred_or_left_out_as_the_report_leaves_them_out(own_copy: Path) -> None:
    faces = {f"Photo {name}" for name in pd.read_csv(own_copy / "photos.csv").query("view == 'face'")["photo_id"]}
    everything = dict(_look(own_copy).pictures)
    settings = own_copy / "study.yaml"
    as_it_was = settings.read_text()
    shown: dict[str, dict[str, bytes]] = {}
    for mode in ("faces_blurred", "faces_off", "none"):
        settings.write_text(re.sub(r"(?m)^report:.*\n  photos: all", f"report:\n  photos: {mode}", as_it_was))
        shown[mode] = dict(_look(own_copy).pictures)
        assert "(report.photos)" in (own_copy / "look/look.html").read_text(encoding="utf-8")
    assert shown["none"] == {}
    assert everything.keys() - shown["faces_off"].keys() == faces
    changed = {name for name, picture in shown["faces_blurred"].items() if picture != everything[name]}
    assert changed == faces
    assert faces


def test_what_is_refused(tmp_path: Path, own_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(tmp_path / "vectors", {})
    for words, told in (
        ([str(tmp_path / "vectors")], "study of precomputed features"),
        ([str(own_copy), "--visits", "0"], "--visits is 0"),
        ([str(own_copy), "--out", str(tmp_path)], "is a folder"),
        ([str(own_copy), "--out", str(tmp_path / "a/b.html")], "there is no folder"),
        ([str(tmp_path / "nowhere")], "is not a folder"),
    ):
        assert main(["look", *words]) == 1
        assert told in capsys.readouterr().err
    visits = own_copy / "visits.csv"
    visits.write_text(visits.read_text().replace("II,", "XX,"))
    assert main(["look", str(own_copy)]) == 1
    assert "fitzpatrick 'XX'" in capsys.readouterr().err


def test_the_histogram_counts_every_photo() -> None:
    values = np.concatenate([np.zeros(30), np.full(10, 5.0), np.full(20, 10.0)])
    drawn = str(histogram(Measured("Brightness", "", values, (), ())))
    heights = [float(height) for height in re.findall(r'<rect[^>]*height="([\d.]+)"', drawn)]
    assert len(heights) == 24
    assert [round(heights[at] / max(heights) * 30) for at in (0, 12, 23)] == [30, 10, 20]
    assert sum(height > 0 for height in heights) == 3
