"""Readers' decisions back into a study: ``grasp revise``, ``grasp run --revision``, and what must stay as it was."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import grasp_psonet
from grasp_psonet.cli import main
from grasp_psonet.errors import StageError
from grasp_psonet.proof import digest
from tests.tables.of_study import table_faults

HEADER = "visit_id,reader_id,severity,pasi,date,round,role,version,signed,repeat,not_assessable,comment\n"
MOVED = {0: 1, 1: 2, 2: 0}
SCORE_OF = {0: 2.0, 1: 7.0, 2: 20.0}
NAME_OF = ("mild", "moderate", "severe")


def write_round(study: Path, name: str = "spring") -> tuple[list[str], str]:
    """A locked round: four training visits with the next class each, one test visit, and a photo that is no skin."""
    visits, photos = grasp_psonet.open_study(study).visits, pd.read_csv(study / "photos.csv")
    read = visits[visits["split"] == "train"].head(4)
    tested = visits[visits["split"] == "test"].head(1)
    rows = [
        f"{visit},dee,{NAME_OF[MOVED[label]]},{SCORE_OF[MOVED[label]]},2026-11-02,{name},reader,1,2026-11-02T10:00:00Z,no,,\n"
        for visit, label in pd.concat([read, tested])[["visit_id", "severity_reader1"]].itertuples(index=False)
    ]
    folder = study / "readings" / name
    folder.mkdir(parents=True)
    (folder / "readings.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
    flagged = str(photos.loc[photos["visit_id"] == read["visit_id"].iloc[0], "photo_id"].iloc[0])
    flags = f"photo_id,reader_id,kind,visit_id,round\n{flagged},dee,not_skin,,{name}\n"
    (folder / "flags.csv").write_text(flags, encoding="utf-8")
    (folder / "charter.json").write_text("{}", encoding="utf-8")
    return read["visit_id"].tolist(), flagged


def held(study: Path, *left_out: str) -> dict[str, str]:
    files = [path for path in sorted(study.rglob("*")) if path.is_file()]
    by_name = {path.relative_to(study).as_posix(): digest(path) for path in files}
    return {name: told for name, told in by_name.items() if not name.startswith(left_out)}


@pytest.mark.process
@pytest.mark.long
@pytest.mark.whole
def test_a_revision_is_trained_on_beside_the_rest(
    tiny_demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Path(shutil.copytree(tiny_demo, tmp_path / "study"))
    read, flagged = write_round(study)
    before = held(study)
    assert main(["revise", str(study), "second"]) == 0
    said = capsys.readouterr().err
    assert "4 visits read anew, 4 labels changed (4 in train), 1 of 1 flagged photos left out of training" in said
    assert "1 readings do not count: test visits are not revised" in said
    assert held(study, "revisions/") == before, "nothing but the revision is written"
    made = held(study)
    assert main(["revise", str(study), "second"]) == 0
    assert held(study) == made, "the same once more changes nothing"

    assert main(["run", str(study), "--revision", "second", "--machine.processes", "1"]) == 0
    remade = (
        "report/",
        ".photo-digests",
        "readers/stage.json",
        "readers/clock.json",
    )  # the round's own table has no hidden repeat to add
    after = held(study, "revisions/", "runs/revised-second/", "revised/", *remade)
    assert after == {name: told for name, told in before.items() if not name.startswith(remade)}
    opened = grasp_psonet.open_study(study)
    base, own = (opened.predictions(run).set_index("visit_id") for run in ("baseline", "revised-second"))
    changed = base.index[base["label"] != own["label"].reindex(base.index)].tolist()
    assert sorted(changed) == sorted(read)
    assert opened.attention("revised-second").set_index("photo_id")["attention"].get(flagged, 0.0) == 0.0
    differences = opened.table("revised/second/differences.parquet")
    assert set(differences["run"]) == {"revised-second"}
    assert "baseline" in set(differences["baseline"])
    shown = opened.results["reading"]["revisions"][0]
    assert (shown["name"], shown["changed"], shown["excluded"]) == ("second", 4, 1)
    assert [run["kind"] for run in shown["runs"]][0::2] == ["kept", "reread"]
    assert table_faults(study) == []
    assert opened.run() == [], "a revision that was trained on stays part of the study"


@pytest.fixture
def bare_copy(tiny_demo: Path, tmp_path: Path) -> Path:
    """Tables and store of the tiny study."""
    ignored = shutil.ignore_patterns(
        "runs", "traces", "prunings", "evaluation", "explain", "audit", "report", "diagnosis"
    )
    return Path(shutil.copytree(tiny_demo, tmp_path / "study", ignore=ignored))


@pytest.mark.long
def test_what_cannot_be_made_is_told(bare_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refusal(*words: str) -> str:
        assert main(["revise", str(bare_copy), *words]) == 1
        return capsys.readouterr().err

    assert "readings/ holds no locked round" in refusal("one")
    write_round(bare_copy)
    write_round(bare_copy, "autumn")
    assert "readings/ holds 2 rounds: autumn, spring" in refusal("one")
    assert "there is no such file or folder" in refusal("one", "--from", "nowhere.csv")
    assert "cannot name a revision" in refusal("../one", "--from", "readings/spring")
    assert "cannot name a revision" in refusal("one-seed2", "--from", "readings/spring")
    (bare_copy / "wrong.csv").write_text("visit_id,reader_id,pasi\nnobody,dee,3\nv-0001,dee,99\n", encoding="utf-8")
    told = refusal("one", "--from", "wrong.csv")
    assert "2 fault(s) in the tables" in told
    assert "wrong.csv row 2, visit_id 'nobody': no such visit in the study" in told
    assert "wrong.csv row 3, pasi '99'" in told
    assert not list((bare_copy / "revisions").iterdir())
    assert main(["revise", str(bare_copy), "one", "--from", "readings/spring"]) == 0
    capsys.readouterr()
    assert "stands already and was made from something else (input changed: flags, readings)" in refusal(
        "one", "--from", "readings/autumn"
    )
    with pytest.raises(StageError, match=r"there is no revision 'two'; there are one"):
        grasp_psonet.open_study(bare_copy, revisions=["two"]).run()
    with pytest.raises(StageError, match="`grasp revise STUDY two` makes it"):
        grasp_psonet.open_study(bare_copy).table("revisions/two/labels.parquet")


def test_a_round_of_the_app_is_read_in_its_own_form_and_a_table_in_that_of_the_study(
    bare_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """tables.dates says how the study's tables write dates; the app writes 2026-11-02 whatever that is."""
    write_round(bare_copy)
    words = ["--tables.dates", "'%d.%m.%Y'"]
    assert main(["revise", str(bare_copy), "of-app", "--from", "readings/spring", *words]) == 0
    (bare_copy / "readings" / "spring" / "charter.json").unlink()
    assert main(["revise", str(bare_copy), "of-user", "--from", "readings/spring", *words]) == 1
    assert "wanted a day such as 31.03.2024 (tables.dates)" in capsys.readouterr().err
    note = json.loads((bare_copy / "revisions" / "of-app" / "stage.json").read_text(encoding="utf-8"))
    assert set(note["inputs"]) == {"tables", "readings", "flags"}
