"""A locked round goes back into the study: its export is what `grasp revise` reads, and what then trains."""

import json
import re
import shutil
from pathlib import Path

import pytest

import grasp_psonet
from grasp_psonet.cli import main
from grasp_psonet.tables.schemas.revisions import REVISED_LABELS, REVISED_PHOTOS
from tests.reading.played_study import NUM_PHOTOS
from tests.reading.playground import Playground, answers, current, fill, make_playground, read_all, sign, visit_behind
from tests.reading.test_whole_round import exported


def test_a_locked_round_becomes_a_revision(opened: Playground) -> None:
    """Everybody calls everything severe but one visit, which nobody can assess."""
    refused, flagged = "", list[str]()
    for name in ("rita", "rob", "ada"):
        client = opened.client(name)
        while (code := current(client)) is not None:
            refused = refused or visit_behind(code)
            told = answers(4)
            if visit_behind(code) == refused:
                told = {"not_assessable": "yes", "reason": "views missing"}
            elif not flagged:
                page = client.get(f"/item/{code}/").content.decode()
                photo = re.findall(r'data-code="([\w-]{22})" data-number="1"', page)[0]
                told |= {f"f.{photo}": ["not_skin"]}
                flagged.append(visit_behind(code))
            sign(client, code, fill(client, code, told))
    opened.lock_round()
    folder = exported(opened)
    assert json.loads((folder / "charter.json").read_text(encoding="utf-8"))["state"] == "locked"
    assert main(["revise", str(opened.study), "again", "--from", str(folder)]) == 0
    made = opened.study / "revisions" / "again"
    labels = REVISED_LABELS.read(made / "labels.parquet").set_index("visit_id")
    changed = labels[labels["is_changed"]]
    assert len(changed) >= 2
    assert set(changed["new_label"]) == {2}, "everybody said severe"
    assert refused not in changed.index
    photos = REVISED_PHOTOS.read(made / "photos.parquet")
    taken = photos[photos["is_excluded"]]
    assert [kinds for kinds in taken["kinds"] if "not_skin" in kinds] == ["not_skin"]
    assert (taken["visit_id"] == refused).sum() == NUM_PHOTOS, "what nobody could assess does not train"


@pytest.mark.long
@pytest.mark.whole
def test_a_round_that_was_played_is_trained_on(tiny_demo: Path, tmp_path: Path) -> None:
    """From the audit's list of a finished study over three people back into a training that knows their labels."""
    from django.db import connections

    study = Path(shutil.copytree(tiny_demo, tmp_path / "study"))
    played = make_playground(study, is_there=True)
    played.open_round()
    for name in ("rita", "rob", "ada"):
        read_all(played.client(name), lambda visit: int(visit[-1]) % 3)
    played.lock_round()
    folder = exported(played)
    connections.close_all()
    assert main(["revise", str(study), "again", "--from", str(folder)]) == 0
    words = ["--revision", "again", "--until", "evaluate", "--machine.processes", "1"]
    assert main(["run", str(study), *words]) == 0

    read = grasp_psonet.open_study(study)
    revised = REVISED_LABELS.read(study / "revisions" / "again" / "labels.parquet").set_index("visit_id")
    changed = revised.loc[revised["is_changed"], "new_label"]
    assert len(changed) >= 2
    before, after = (read.predictions(run).set_index("visit_id")["label"] for run in ("baseline", "revised-again"))
    moved = after[after != before.reindex(after.index)]
    assert moved.astype(int).to_dict() == changed.astype(int).to_dict(), "trained on what was read, and on nothing else"
    compared = read.table("revised/again/differences.parquet")
    assert set(compared["run"]) == {"revised-again"}
    agreement = read.table("readers/agreement.parquet").query("split == 'all' and metric == 'agreement'")
    own = agreement[agreement["reader"] == agreement["other_reader"]]
    assert own["reader"].tolist() == ["rita", "rob"]
    assert (own["num_visits"] >= 1).all()
    assert (own["value"] == 1).all(), "who always says the same of a visit agrees with itself"
