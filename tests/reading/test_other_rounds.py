"""Rounds by other charters: classes, scores, corrections, another rule for the third reading; and what make-round refuses."""

from pathlib import Path
from typing import Any

import pytest

from grasp_psonet.cli import main
from tests.reading.playground import (
    PASSWORD,
    ROUND,
    Playground,
    answers,
    current,
    fill,
    make_playground,
    sign,
    visit_behind,
)
from tests.reading.test_whole_round import exported, rows_of

CLASSES = "severity:\n  classes: [calm, '<script>alert(1)</script>']\n  score_column: null\n"
POINTS = """
severity:
  score_range: [0, 100]
reading:
  adjudicate: points
  adjudicate_points: 10
  correction: with_reason
  repeats: 0
"""


def _finished(playground: Playground, told: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """Reads everything with one form for each reader, locks, and gives the rows of readings.csv."""
    for name, filled in told.items():
        client = playground.client(name)
        while (code := current(client)) is not None:
            sign(client, code, fill(client, code, filled))
    playground.lock_round()
    return rows_of(exported(playground) / "readings.csv")


def test_a_round_of_classes(tmp_path: Path) -> None:
    settings = CLASSES
    playground = _with_class_labels(tmp_path / "study", settings)
    playground.open_round()
    rita = playground.client("rita")
    page = rita.get(f"/item/{current(rita)}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    rows = _finished(playground, {"rita": {"v.class": "0"}, "rob": {"v.class": "1"}, "ada": {"v.class": "1"}})
    assert {row["severity"] for row in rows if row["reader_id"] == "rita"} == {"calm"}
    assert "pasi" not in rows[0]
    assert sum(row["role"] == "adjudicator" for row in rows) == 6


def _with_class_labels(folder: Path, settings: str) -> Playground:
    import tests.reading.played_study as played

    made = played.make_study(folder, settings)
    text = (made / "visits.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in text[1:]]
    lines = ["visit_id,patient_id,severity_reader1,reader1_id,split"] + [
        ",".join([*row[:2], "calm", *row[3:]]) for row in rows
    ]
    (made / "visits.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return make_playground(made, settings, is_there=True)


def test_scores_points_apart_are_read_again_and_corrected_with_a_reason(tmp_path: Path) -> None:
    playground = make_playground(tmp_path / "study", POINTS)
    playground.open_round()
    rita, rob = playground.client("rita"), playground.client("rob")
    assert 'name="v.score"' in rita.get(f"/item/{current(rita)}/").content.decode()
    first = current(rita)
    assert first is not None
    sign(rita, first, fill(rita, first, {"v.score": "12,5"}))
    assert rita.post(f"/item/{first}/correct/", {"reason": " "}).status_code == 409
    assert rita.post(f"/item/{first}/correct/", {"reason": "typed wrong"}).status_code == 302
    assert current(rita) == first
    sign(rita, first, fill(rita, first, {"v.score": "42.5"}))
    while (code := current(rita)) is not None:
        sign(rita, code, fill(rita, code, {"v.score": "20"}))
    names = {first: visit_behind(first)}
    while (code := current(rob)) is not None:
        sign(rob, code, fill(rob, code, {"v.score": "30"}))
    rows = _finished(playground, {"ada": {"v.score": "40"}})
    versions = [(row["version"], row["pasi"], row["why_changed"]) for row in rows if row["item"] == first]
    assert versions == [("1", "12.5", ""), ("2", "42.5", "typed wrong")]
    assert [row["visit_id"] for row in rows if row["role"] == "adjudicator"] == [names[first]]


def _make(playground: Playground, name: str, *more: str, readers: str = "rita,rob") -> int:
    words = ["--database", playground.url] if playground.url else []
    asked = ["read", "make-round", str(playground.study), name, "--readers", readers, *words, *more]
    code = main(asked)
    playground.enter()
    return code


@pytest.mark.parametrize(
    ("name", "more", "readers", "told"),
    [
        (ROUND, ("--adjudicators", "ada"), "rita,rob", "there is a round first already"),
        ("Second!", ("--adjudicators", "ada"), "rita,rob", "wanted 1 to 40"),
        ("../x", ("--adjudicators", "ada"), "rita,rob", "wanted 1 to 40"),
        ("second", (), "rita,rob", "nobody adjudicates"),
        ("second", ("--adjudicators", "ada"), "rita", "takes two readers"),
        ("second", ("--adjudicators", "ada"), "rita,rita", "named twice"),
        ("second", ("--adjudicators", "ada"), "rita,otto", "otto is to be reader of the round and is auditor"),
        ("second", ("--adjudicators", "ada"), "rita,nobody", "is no account"),
        ("second", ("--adjudicators", "ada", "--reading.controls", "9"), "rita,rob", "ask for 27 controls"),
        ("second", ("--adjudicators", "ada", "--reading.edge_px", "9"), "rita,rob", "reading.edge_px"),
    ],
)
def test_what_make_round_refuses(
    playground: Playground, capsys: Any, name: str, more: tuple[str, ...], readers: str, told: str
) -> None:
    photos = playground.study / "reading-app" / "photos"
    before = sorted(photos.iterdir())
    assert _make(playground, name, *more, readers=readers) == 1
    assert told in capsys.readouterr().err
    assert sorted(photos.iterdir()) == before, "photos of a round that was not made are left"


def test_photos_that_cannot_be_read_are_all_named(playground: Playground, capsys: Any) -> None:
    photos = playground.study / "photos"
    damaged = sorted(photos.glob("Zqfile-*-0.jpg"))  # one of each visit, whichever the round takes
    for path in damaged:
        path.write_bytes(path.read_bytes()[:2000])
    before = sorted((playground.study / "reading-app" / "photos").iterdir())
    assert _make(playground, "second", "--adjudicators", "ada") == 1
    told = capsys.readouterr().err
    num_named = sum(path.name in told for path in damaged)
    assert f"{num_named} photo(s) of the round cannot be read" in told
    assert num_named >= 4
    assert sorted((playground.study / "reading-app" / "photos").iterdir()) == before


def test_a_study_without_an_audit_is_told_what_to_do(playground: Playground, capsys: Any) -> None:
    (playground.study / "audit" / "review.parquet").unlink()
    assert _make(playground, "second", "--adjudicators", "ada") == 1
    assert "next: grasp audit" in capsys.readouterr().err


def test_a_third_reading_follows_where_one_calls_it_not_assessable(opened: Playground) -> None:
    rita, rob = opened.client("rita"), opened.client("rob")
    code = current(rita)
    assert code is not None
    seen = visit_behind(code)
    sign(rita, code, fill(rita, code, {"not_assessable": "yes", "reason": "views missing"}))
    while (code := current(rob)) is not None:
        sign(rob, code, fill(rob, code, answers(1)))
    ada = opened.client("ada")
    third = current(ada)
    assert third is not None
    assert visit_behind(third) == seen


def test_coordinators_see_progress_and_agreement(opened: Playground) -> None:
    rita, rob, cora = (opened.client(name) for name in ("rita", "rob", "cora"))
    for client, grade in ((rita, 1), (rob, 4)):
        while (code := current(client)) is not None:
            sign(client, code, fill(client, code, answers(grade)))
    page = " ".join(cora.get(f"/rounds/{ROUND}/").content.decode().split())
    assert '<th scope="row">rita</th><td>reader</td><td>7</td><td>7</td><td>0</td>' in page
    assert '<th scope="row">ada</th><td>adjudicator</td><td>6</td><td>0</td><td>0</td>' in page
    assert '<th scope="row">rita and rob</th><td>6</td><td>0.00</td><td>0.00</td><td>27.0</td><td>27.0</td>' in page
    assert '<th scope="row">rob again</th><td>1</td><td>1.00</td>' in page


def test_a_round_is_opened_once_and_with_the_password(playground: Playground) -> None:
    cora = playground.client("cora")
    assert cora.post(f"/rounds/{ROUND}/open/", {"password": "wrong"}).status_code == 400
    assert cora.post(f"/rounds/{ROUND}/lock/", {"password": PASSWORD}).status_code == 409
    assert cora.post(f"/rounds/{ROUND}/open/", {"password": PASSWORD}).status_code == 302
    assert cora.post(f"/rounds/{ROUND}/open/", {"password": PASSWORD}).status_code == 409
