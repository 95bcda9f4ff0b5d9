"""The guide, followed to the letter on a study made from scratch of odd but legal files."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.cli import main

GUIDE = Path(__file__).parents[2] / "docs" / "bring-your-own-study.md"
CLASSES = ("leicht", "mittel", "schwer")


def _blocks() -> list[tuple[str, str, str]]:
    """Language, file named on the line before (or empty), and text of every fence, in order."""
    text = GUIDE.read_text(encoding="utf-8")
    found = re.findall(r"(?:^`([^`\n]+)`:\n\n)?^```([a-z]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(language, name, body) for name, language, body in found]


def _skin(patient: int, grade: int, view: int) -> np.ndarray:
    """A photo [72, 96, RGB] of a colour of skin with as many red patches as the grade says."""
    rng = np.random.default_rng((patient, grade, view))
    photo = np.full((72, 96, 3), (214 - 4 * patient, 168 - 4 * patient, 140 - 3 * patient), float)
    for _ in range(2 + 5 * grade):
        row, column = rng.integers(6, 60), rng.integers(6, 84)
        photo[row : row + 8, column : column + 9] = (196, 70, 66)
    return (photo + rng.normal(0, 6, photo.shape)).clip(0, 255).astype(np.uint8)


def _save(photo: np.ndarray, path: Path, form: int) -> None:
    """As phones and scanners write them: lying with an orientation, CMYK, grey, palette, plain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(photo)
    match form % 5:
        case 0:
            exif = Image.Exif()
            exif[0x0112] = 6  # to be turned by 90 degrees
            image.rotate(90, expand=True).save(path.with_suffix(".JPG"), "JPEG", exif=exif, quality=92)
        case 1:
            image.convert("CMYK").save(path.with_suffix(".jpeg"), quality=95)
        case 2:
            image.convert("L").save(path.with_suffix(".png"))
        case 3:
            image.quantize(64).save(path.with_suffix(".png"))
        case _:
            image.resize((33, 25)).save(path.with_suffix(".png"))


def _make_study(folder: Path) -> None:
    """Photos and labels of 24 patients, two visits each; labels as a spreadsheet saves them, in any order of rows."""
    rows, form = [], 0
    for patient in range(1, 25):
        for day in (0, 28):
            grade = (patient + (day > 0)) % 3 if patient > 1 else int(day > 0)
            name = f"P-{patient:02d}"
            for view, words in enumerate(("Ellbogen links", "Rücken")[: 1 + (patient + day) % 2 + (patient == 1)]):
                _save(
                    _skin(patient, grade, view),
                    folder / "photos" / name / f"Tag {day}" / words,
                    0 if patient == 1 else form,
                )
                form += 1
            second = (
                "" if (patient + day) % 3 == 2 or (day == 28 and patient == 1) else CLASSES[grade if patient % 5 else 2]
            )
            skin = ("I", "II", "III", "IV", "V")[(patient) % 5]
            place = '"Klinik ""Nord"", Haus 2"' if patient % 2 else "Praxis Süd"
            rows.append(
                f"{name}-{day};{CLASSES[grade].upper() if patient == 9 else CLASSES[grade]};{second};{skin};{place}"
            )
    rows[0] = rows[0].replace(";I;", ";II;")
    head = "visit_id;Schweregrad_reader1;Schweregrad_reader2;fitzpatrick;Zentrum"
    rows[:2] = ['P-01-0;leicht;leicht;II;"Klinik ""Nord"", Haus 2"', 'P-01-28;mittel;;II;"Klinik ""Nord"", Haus 2"']
    (folder / "labels.csv").write_bytes(("\ufeff" + "\r\n".join([head, *rows]) + "\r\n").encode())
    (folder / "photos" / ".DS_Store").write_bytes(b"\0\1")
    (folder / "photos" / "P-01" / "Thumbs.db").write_bytes(b"\0\1")
    for number, grade in ((1, 0), (2, 2)):
        for view in range(3):
            _save(_skin(number, grade, view + 7), folder.parent / "new-photos" / f"N-{number}" / f"Foto {view}", view)


@pytest.mark.long
@pytest.mark.whole
def test_the_guide_works_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "my-study"
    study.mkdir()
    _make_study(study)
    before = {path: path.read_bytes() for path in (study / "photos").rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    ran: list[str] = []
    for language, name, body in _blocks():
        if language == "csv":
            made = (tmp_path / name).read_text(encoding="utf-8-sig").splitlines()
            assert made[:3] == body.splitlines()[:3], "the study is not the one that the guide tells of"
        elif language == "yaml":
            (tmp_path / name).write_text(body, encoding="utf-8")
        elif language == "python":
            exec(body, names)
        elif language == "":
            for line in body.splitlines():
                words = shlex.split(line)
                assert words[0] == "grasp"
                code = main(words[1:])
                assert code == 0, f"{line}\n{capsys.readouterr()}"
                ran.append(words[1])
    assert ran == ["import", "check", "look", "run", "run", "predict", "predict", "export"]
    _look_at(tmp_path, names)
    assert {path: path.read_bytes() for path in before} == before, "a photo was changed"


def _look_at(folder: Path, names: dict[str, Any]) -> None:
    """What the guide says is there, is there, and of this study."""
    study = folder / "my-study"
    visits = pd.read_csv(study / "visits.csv")
    assert len(visits) == 48
    assert visits.set_index("visit_id").loc["P-01-28", ["patient_id", "study_day", "Zentrum"]].tolist() == [
        *("P-01", 28, 'Klinik "Nord", Haus 2')
    ]
    assert set(pd.read_csv(study / "photos.csv")["view"]) == {"Ellbogen links", "Rücken"}
    report = (study / "report/report.html").read_text(encoding="utf-8")
    assert all(name in report for name in (*CLASSES, "Praxis Süd"))
    assert (study / "look/look.html").is_file()
    answers = pd.read_csv(folder / "answers/visits.csv")
    assert answers["visit_id"].tolist() == ["N-1", "N-2"]
    assert set(answers["predicted"]) <= set(CLASSES)
    assert pd.read_csv(folder / "baseline.csv").columns.tolist() == [
        *("visit_id", "num_photos", "p_leicht", "p_mittel", "p_schwer", "predicted")
    ]
    (exported,) = (study / "exports").iterdir()
    assert "P-01" not in (exported / "card.md").read_text(encoding="utf-8")
    assert names["photo"].shape == (64, 64, 3)
