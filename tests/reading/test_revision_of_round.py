"""A locked round goes back into the study: its export is what `grasp revise` reads."""

import json
import re

from grasp_psonet.cli import main
from grasp_psonet.tables.schemas.revisions import REVISED_LABELS, REVISED_PHOTOS
from tests.reading.played_study import NUM_PHOTOS
from tests.reading.playground import Playground, answers, current, fill, sign, visit_behind
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
