"""Nothing but pixels survives: photos stuffed with metadata leave none of it in any output, and the check would find it."""

import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.cli import main
from grasp_psonet.photos.files.decode import decode_photo
from grasp_psonet.photos.store import open_store
from grasp_psonet.settings import load
from grasp_psonet.stages.checking.privacy import produced_files
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.faces import faces_among
from grasp_psonet.stages.makers.report.stored import stored_photos
from grasp_psonet.stages.opening import open_job
from grasp_psonet.study import Study
from tests.photos.stuffed import TIME, WORDS, stuff_all, words_in
from tests.stages.test_bad_input import QUICK

pytestmark = [pytest.mark.long, pytest.mark.whole]
STAGES = {
    "store",
    "quality",
    "features",
    "runs",
    "traces",
    "prunings",
    "evaluation",
    "audit",
    "explain",
    "diagnosis",
    "report",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of one's own, whose photos were stuffed; one of them cannot be read and is left out."""
    study = tmp_path_factory.mktemp("privacy") / "study"
    settings = [*QUICK, "--photos.damaged", "skip"]
    assert main(["cohort", str(study), "--preset", "tiny", *settings]) == 0
    for name in ("cohort.json", "truth.parquet", "truth_visits.parquet"):  # else it counts as drawn
        (study / name).unlink()
    assert stuff_all(study / "photos") > 30
    first = study / str(pd.read_csv(study / "photos.csv")["path"][0])
    first.write_bytes(first.read_bytes()[:-900])
    assert main(["run", str(study)]) == 0
    return study


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "study"))


def _looked(study: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["check", str(study), "--privacy"])
    return code, capsys.readouterr().out


def test_none_of_the_words_is_in_any_output(finished: Path) -> None:
    original = next((finished / "photos").rglob("*-02.jpg")).read_bytes()
    assert set(words_in(original)) == {*WORDS.values(), TIME}, "the originals have nothing to hide: nothing is proved"
    files = list(produced_files(finished))
    assert {file.relative_to(finished).parts[0] for file in files} >= STAGES
    for file in [*files, finished / ".photo-digests.json"]:
        data = file.read_bytes()
        assert words_in(data) == [], file
        assert str(finished).encode() not in data, file
    page = (finished / "report/report.html").read_text(encoding="utf-8")
    pictures = [base64.b64decode(part.split('"')[0]) for part in page.split(";base64,")[1:]]
    assert len(pictures) > 4, "the page shows no photo: nothing is proved"
    assert all(words_in(picture) == [] for picture in pictures)


def test_the_check_finds_nothing_in_what_was_made(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = _looked(finished, capsys)
    assert code == 0, told
    assert "nothing found" in told
    assert told.count("looked for: ") == 5
    assert "12 other texts" not in told, "the words differ by kind, not by photo"


def _png(target: Path, _: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "words"
    Image.new("RGB", (9, 9)).save(target, exif=exif)
    target.write_bytes(target.read_bytes() + b"more")


def _page(target: Path, original: Path) -> None:
    encoded = base64.b64encode(original.read_bytes()).decode()
    target.write_text(f'<img src="data:image/jpeg;base64,{encoded}">')


def _longer(target: Path, _: Path) -> None:
    np.save(target, np.zeros(4))
    target.write_bytes(target.read_bytes() + b"and more!")


PUT: dict[str, Callable[[Path, Path], object]] = {
    "copy.jpg": lambda target, original: shutil.copy(original, target),
    "copy.png": _png,
    "page.html": _page,
    "place.json": lambda target, _: target.write_text(json.dumps({"weights": "/home/somebody/weights.pt"})),
    "windows.json": lambda target, _: target.write_text(json.dumps({"weights": "C:\\Users\\somebody\\weights.pt"})),
    "name.parquet": lambda target, original: pd.DataFrame({"file": [original.name]}).to_parquet(target),
    "name.csv": lambda target, original: target.write_text(f"what\nsee {original.name} there\n"),
    "time.txt": lambda target, _: target.write_text(f"taken {TIME}"),
    "serial.parquet": lambda target, _: pd.DataFrame({"device": [f"x{WORDS['SERIAL']}"]}).to_parquet(target),
    "xmp.txt": lambda target, _: target.write_text(f"x{WORDS['XMP']}y{WORDS['JPEGCOMMENT']}"),
    "more.npy": _longer,
    "raw.bin": lambda target, original: target.write_bytes(b"...." + original.read_bytes()),
    "torn.parquet": lambda target, _: target.write_bytes(b"PAR1 and no more"),
}


FOUND = [
    ("report/copy.jpg", "EXIF"),
    ("report/copy.jpg", "XMP"),
    ("report/copy.jpg", "IPTC"),
    ("report/copy.jpg", "further pictures (MPF)"),
    ("report/copy.jpg", "a comment"),
    ("report/copy.jpg", "a GPS position"),
    ("report/copy.jpg", "bytes after the picture"),
    ("explain/copy.png", "EXIF"),
    ("explain/copy.png", "bytes after the picture"),
    ("report/page.html", "a picture with EXIF"),
    ("runs/place.json", "an absolute path"),
    ("runs/windows.json", "an absolute path"),
    ("audit/name.parquet", "the name of an original"),
    ("quality/name.csv", "the name of an original"),
    ("traces/time.txt", f"a capture time: {TIME}"),
    ("store/serial.parquet", "a text of an original's metadata: SECRETSERIALWORD"),
    ("report/xmp.txt", "a text of an original's metadata: SECRETXMPWORD"),
    ("report/xmp.txt", "a text of an original's metadata: SECRETJPEGCOMMENTWORD"),
    ("store/more.npy", "9 bytes behind the numbers"),
    ("features/raw.bin", "EXIF"),
    ("features/torn.parquet", "cannot be looked into"),
]


def test_the_check_finds_all_that_is_put_there(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original = next((study / "photos").rglob("*-02.jpg"))
    for place in {place for place, _ in FOUND}:
        PUT[Path(place).name](study / place, original)
    code, told = _looked(study, capsys)
    assert code == 1
    assert [one for one in FOUND if f"found: {one[0]}: {one[1]}" not in told] == [], told
    found = {line.split(": ")[1] for line in told.splitlines() if line.startswith("found: ")}
    assert found == {place for place, _ in FOUND}, "what was made is in order, beside them too"


@pytest.mark.nightly
@pytest.mark.parametrize(("place", "wanted"), FOUND)
def test_the_check_finds_what_is_put_there(
    study: Path, place: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    original = next((study / "photos").rglob("*-02.jpg"))
    target = study / place
    PUT[target.name](target, original)
    code, told = _looked(study, capsys)
    assert code == 1
    assert f"found: {place}: {wanted}" in told, told


def test_photos_left_out_are_told_in_every_output(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = str(pd.read_csv(study / "photos.csv")["photo_id"][0])
    results = json.loads((study / "report/results.json").read_text())
    assert any(
        f"1 photo(s) could not be read and were left out: {gone}" in one for one in results["making"]["warnings"]
    )
    assert f"could not be read and were left out: {gone}" in (study / "report/report.html").read_text()
    assert gone not in pd.read_parquet(study / "store/index.parquet")["photo_id"].tolist()
    assert gone not in pd.read_parquet(study / "runs/baseline/attention.parquet")["photo_id"].tolist()
    again = pd.read_csv(study / "quality/reshoot.csv")
    assert again.loc[again["photo_id"] == gone, "reason"].str.startswith("cannot be read: is damaged").all()
    capsys.readouterr()
    assert main(["check", str(study)]) == 0
    assert f"were left out: {gone}" in capsys.readouterr().out


def test_the_page_shows_what_the_setting_allows(study: Path) -> None:
    """All photos, faces blurred, no faces, none: by the protocol's body region, or by the view.

    Thumbnails lie on sheets, whose photos ``Stored`` hands out as it does those of the lists.
    """
    mapped = pd.read_parquet(study / "explain/index.parquet")["photo_id"].iloc[0]
    face = pd.read_csv(study / "photos.csv").set_index("photo_id")["view"][mapped]

    def pictures(mode: str) -> list[str]:
        assert main(["report", str(study), "--report.photos", mode, "--report.faces", f"[{face}]"]) == 0
        page = (study / "report/report.html").read_text(encoding="utf-8")
        assert (mode == "none") == (";base64," not in page)
        return re.findall(r'src="data:image/[a-z]+;base64,([^"]+)"', page)

    told = {
        "faces_blurred": "are blurred and have no maps here",
        "faces_off": "Photos of faces, and of views that are not told, are not shown",
        "none": "No photo is shown",
    }
    shown = {}
    for mode in ("all", *told):
        shown[mode] = pictures(mode)
        page = (study / "report/report.html").read_text()
        assert all((words in page) == (mode == name) for name, words in told.items())
    assert shown["none"] == []
    assert len(shown["faces_off"]) < len(shown["faces_blurred"]) < len(shown["all"])
    assert set(shown["faces_off"]) <= set(shown["all"])
    assert set(shown["faces_blurred"]) - set(shown["all"]), "the blurred ones are other pictures"


@pytest.mark.parametrize("mode", ["all", "faces_blurred", "faces_off"])
def test_thumbnails_and_lists_get_photos_as_the_setting_allows(study: Path, mode: str) -> None:
    kept = open_store(study / "store")
    view = kept.index["view"].dropna().iloc[0]
    job = open_job(study, {"report.photos": mode, "report.faces": f"[{view}]"})
    stored, faces = stored_photos(job), faces_among(job)
    assert stored is not None
    for photo_id, pixels in zip(kept.index["photo_id"], kept.pixels, strict=True):
        shows = photo_id in faces
        found = stored.shown(photo_id)
        assert stored.may_show(photo_id) == (found is not None)
        if shows and mode == "faces_off":
            assert found is None
        else:
            assert found is not None
            assert np.array_equal(found, pixels) != (shows and mode == "faces_blurred")
    assert 0 < len(faces & set(kept.index["photo_id"])) < len(kept.index)


def test_a_face_is_known_by_its_view_its_region_or_because_no_view_is_told(study: Path) -> None:
    photos = pd.read_csv(study / "photos.csv", dtype=str)
    views = pd.read_csv(study / "views.csv", dtype=str)
    view = photos["view"].dropna().iloc[0]
    region = views.set_index("code")["body_region"][view]
    of_region = set(views.loc[views["body_region"] == region, "code"]) & set(photos["view"])
    assert set(photos["view"]) - of_region, "all are of one region: nothing is proved"

    def faces(*names: str) -> set[str]:
        settings = load(study / "study.yaml", {"report.faces": f"[{', '.join(names)}]"})
        return set(faces_among(Job(Study(study), settings)))

    left = photos.iloc[1:]  # the first was left out
    known = set(left.loc[left["view"].isin(of_region), "photo_id"])
    assert faces(region.upper()) == known
    assert faces(view) == set(left.loc[left["view"] == view, "photo_id"])
    other = left.index[~left["view"].isin(of_region)][3]
    photos.loc[other, "view"] = None
    photos.to_csv(study / "photos.csv", index=False)
    assert faces(region) == known | {photos["photo_id"][other]}
    (study / "views.csv").unlink()
    assert faces(region) == {photos["photo_id"][other]}, "without a protocol no view is of a region"


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_stuffed_photos_are_read_upright(finished: Path) -> None:
    file = next((finished / "photos").rglob("*-02.jpg"))
    with Image.open(file) as stored:
        wanted = np.asarray(stored.convert("RGB").transpose(Image.Transpose.ROTATE_270).resize((32, 32)), dtype=int)
    assert np.abs(decode_photo(file, 32).pixels - wanted).mean() < 3
