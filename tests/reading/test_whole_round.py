"""A round from its opening to its export, page by page, and what is refused on the way."""

import csv
import json
import re
from pathlib import Path
from typing import Any

from grasp_psonet.cli import main
from grasp_psonet.reading.form import pasi
from tests.reading.played_study import NUM_FLAGGED
from tests.reading.playground import (
    PARTS,
    REGIONS,
    ROUND,
    Playground,
    answers,
    current,
    fill,
    read_all,
    sign,
    visit_behind,
)

NUM_CASES, NUM_REPEATS = 2 * NUM_FLAGGED, 1  # as many controls as flagged visits, a tenth of six twice


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def exported(playground: Playground) -> Path:
    words = ["--database", playground.url] if playground.url else []
    assert main(["read", "export", str(playground.study), ROUND, *words]) == 0
    playground.enter()
    return playground.study / "readings" / ROUND


def verified(playground: Playground) -> int:
    words = ["--database", playground.url] if playground.url else []
    code = main(["read", "verify", str(playground.study), *words])
    playground.enter()
    return code


def test_a_round_is_read_adjudicated_locked_and_exported(opened: Playground) -> None:
    rita, rob, ada = (opened.client(name) for name in ("rita", "rob", "ada"))
    assert current(ada) is None
    assert read_all(rita, lambda visit: 1) == NUM_CASES + NUM_REPEATS
    assert current(ada) is None, "nobody has read a second time yet"
    apart = sorted({visit_behind(code) for code in _codes("rob")})[0]
    assert read_all(rob, lambda visit: 4 if visit == apart else 1) == NUM_CASES + NUM_REPEATS
    code = current(ada)
    assert code is not None
    assert visit_behind(code) == apart
    sign(ada, code, fill(ada, code, answers(3)))
    assert current(ada) is None
    opened.lock_round()
    folder = exported(opened)
    rows = rows_of(folder / "readings.csv")
    assert len(rows) == 2 * (NUM_CASES + NUM_REPEATS) + 1
    assert [row["visit_id"] for row in rows if row["role"] == "adjudicator"] == [apart]
    assert sum(row["repeat"] == "yes" for row in rows) == 2 * NUM_REPEATS
    for row in rows:
        told = {f"{region}_{part}": int(float(row[f"{region}_{part}"])) for region in REGIONS for part in PARTS}
        assert float(row["pasi"]) == pasi(told)
        assert row["severity"] == ("mild" if pasi(told) <= 5 else "moderate" if pasi(told) <= 10 else "severe")
    assert len({row["pasi"] for row in rows}) == 3, "all alike: the comparison would prove nothing"
    charter = json.loads((folder / "charter.json").read_text(encoding="utf-8"))
    assert charter["charter"]["readers"] == ["rita", "rob"]
    entries = (folder / "trail.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["number"] for line in entries] == list(range(1, len(entries) + 1))
    assert verified(opened) == 0


def test_flags_comments_and_not_assessable_come_out(opened: Playground) -> None:
    rita = opened.client("rita")
    first = current(rita)
    assert first is not None
    page = rita.get(f"/item/{first}/").content.decode()
    photo = re.findall(r'data-code="([\w-]{22})" data-number="2"', page)[0]
    told = answers(2) | {f"f.{photo}": ["blur", "identifies"], "comment": "=1+1 \u00fc <b>"}
    sign(rita, first, fill(rita, first, told))
    second = current(rita)
    assert second is not None
    refused = {"not_assessable": "yes", "reason": "views missing", "comment": ""}
    sign(rita, second, fill(rita, second, refused))
    names = {code: visit_behind(code) for code in (first, second)}
    photo_id = _photo_id(photo)
    opened.lock_round("enough")
    folder = exported(opened)
    rows = {row["item"]: row for row in rows_of(folder / "readings.csv")}
    assert rows[first]["visit_id"] == names[first]
    assert rows[first]["comment"] == "'=1+1 \u00fc <b>"
    assert rows[second]["not_assessable"] == "views missing"
    assert rows[second]["pasi"] == rows[second]["severity"] == rows[second]["head_area"] == ""
    assert [(row["photo_id"], row["reader_id"], row["kind"]) for row in rows_of(folder / "flags.csv")] == [
        (photo_id, "rita", "blur"),
        (photo_id, "rita", "identifies"),
    ]


def test_nothing_is_read_before_the_round_is_open_and_after_it_is_locked(playground: Playground) -> None:
    rita = playground.client("rita")
    code = _codes("rita")[0]
    assert current(rita) is None
    assert rita.get(f"/item/{code}/").status_code == 404
    playground.open_round()
    revision = fill(rita, code, answers(1))
    playground.lock_round("the study ended")
    assert rita.get(f"/item/{code}/").status_code == 404
    assert rita.post(f"/item/{code}/sign/", {"revision": revision, "password": "x"}).status_code == 404


def test_a_round_is_locked_before_its_end_only_with_a_reason(opened: Playground) -> None:
    from tests.reading.playground import PASSWORD

    answer = opened.client("cora").post(f"/rounds/{ROUND}/lock/", {"password": PASSWORD})
    assert answer.status_code == 409
    assert "not signed yet" in answer.content.decode()


def test_a_round_that_is_not_locked_is_not_exported(opened: Playground, capsys: Any) -> None:
    words = ["--database", opened.url] if opened.url else []
    assert main(["read", "export", str(opened.study), ROUND, *words]) == 1
    assert "is open" in capsys.readouterr().err
    opened.enter()


def test_what_is_missing_is_told_and_not_signed(opened: Playground) -> None:
    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    told = answers(2)
    del told["v.trunk_area"]
    revision = fill(rita, code, told)
    page = rita.get(f"/item/{code}/sign/").content.decode()
    assert "area, trunk" in page
    from tests.reading.playground import PASSWORD

    answer = rita.post(f"/item/{code}/sign/", {"revision": revision, "password": PASSWORD})
    assert answer.status_code == 409
    assert current(rita) == code


def test_answers_stand_when_the_reader_comes_back(opened: Playground) -> None:
    rita = opened.client("rita")
    code = current(rita)
    assert code is not None
    fill(rita, code, {"v.head_area": "5", "comment": "to be continued"})
    page = opened.client("rita").get(f"/item/{code}/").content.decode()
    assert 'name="v.head_area" value="5" checked' in page
    assert "to be continued" in page


def _codes(reader: str) -> list[str]:
    from grasp_psonet.reading.app.models import Item

    return list(Item.objects.filter(reader__username=reader).order_by("position").values_list("code", flat=True))


def _photo_id(code: str) -> str:
    from grasp_psonet.reading.app.models import ItemPhoto

    return ItemPhoto.objects.get(code=code).photo.photo_id
