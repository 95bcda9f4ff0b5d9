"""Controls remove as much as the pruning they stand beside, and nothing they should not."""

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.errors import StageError
from grasp_psonet.pruning.controls import loss_control, random_control
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.tables.schemas.traces import KEEP_LIST

VISITS = pd.DataFrame({"visit_id": [f"v{v}" for v in range(8)], "skin": ["I", "II"] * 4})


def keep_list(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    keep = pd.DataFrame(
        [(f"v{v}-{i}", f"v{v}") for v in range(8) for i in range(1 + v)], columns=["photo_id", "visit_id"]
    )
    kept = rng.random(len(keep)) < 0.6
    kept |= ~keep["visit_id"].duplicated().to_numpy()
    return keep.assign(kept=kept, reason="", num_queries=(~kept).astype(int), score=-1.0, min_score=-1.0)


def num_removed(keep: pd.DataFrame) -> pd.Series:
    return (~keep["kept"]).groupby(keep["visit_id"]).sum()


@pytest.mark.parametrize("seed", range(4))
def test_random_control_takes_the_same_number_from_each_visit(seed: int) -> None:
    keep = keep_list()
    control = random_control(keep, seed, k=100)
    assert list(control.columns) == KEEP_LIST.names
    assert (num_removed(control) == num_removed(keep)).all()
    assert (control["kept"] != keep["kept"]).any()
    assert (control["reason"] == "random control").equals(~control["kept"])


def test_random_control_is_named_by_its_key_and_not_by_the_order_of_rows() -> None:
    keep = keep_list()
    shuffled = random_control(keep.sample(frac=1, random_state=1), 0, k=100)
    pd.testing.assert_frame_equal(random_control(keep, 0, k=100), shuffled)
    assert not random_control(keep, 0, k=200)["kept"].equals(shuffled["kept"])
    assert not random_control(keep, 1, k=100)["kept"].equals(shuffled["kept"])


def test_random_control_reaches_every_photo_equally() -> None:
    keep = keep_list()
    visit = keep.loc[keep["visit_id"] == "v7"]
    share = np.mean([~random_control(visit, seed, 1)["kept"] for seed in range(500)], axis=0)
    expected = (~visit["kept"]).mean()
    assert 0 < expected < 1
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 500))


@pytest.mark.parametrize("keep_at_least", [1, 2])
def test_loss_control_takes_the_highest_losses_that_may_leave(keep_at_least: int) -> None:
    keep = keep_list()
    loss = pd.DataFrame(
        {"photo_id": keep["photo_id"], "loss": np.random.default_rng(1).integers(0, 9, len(keep)) / 1.0}
    )
    control = loss_control(
        keep, loss.sample(frac=1, random_state=2), VISITS, PruneSettings(keep_at_least=keep_at_least)
    )
    budget = int((~keep["kept"]).sum())
    left = keep.groupby("visit_id").size().to_dict()
    expected: set[str] = set()
    joined = keep.merge(loss, on="photo_id")
    for _, photo_id, visit_id in sorted(zip(-joined["loss"], joined["photo_id"], joined["visit_id"], strict=True)):
        if left[visit_id] > keep_at_least and len(expected) < budget:
            left[visit_id] -= 1
            expected.add(photo_id)
    assert set(control.loc[~control["kept"], "photo_id"]) == expected
    assert len(expected) == budget
    assert (
        control.groupby("visit_id")["kept"].sum().ge(np.minimum(keep_at_least, keep.groupby("visit_id").size())).all()
    )
    assert (control["reason"] == "highest loss").equals(~control["kept"])


def test_nothing_pruned_means_nothing_removed() -> None:
    keep = keep_list().assign(kept=True)
    assert random_control(keep, 0, 100)["kept"].all()
    assert loss_control(keep, keep.assign(loss=1.0)[["photo_id", "loss"]], VISITS, PruneSettings())["kept"].all()


def test_photos_without_loss_are_told() -> None:
    keep = keep_list()
    with pytest.raises(StageError, match="1 of 36 training photos have no loss"):
        loss_control(keep, keep.assign(loss=1.0).iloc[1:], VISITS, PruneSettings())


def test_loss_control_keeps_the_cap_of_the_pruning_it_stands_beside() -> None:
    keep = keep_list()
    protected = keep["visit_id"].isin(["v1", "v3", "v5", "v7"])
    loss = keep.assign(loss=np.where(protected, 9.0, 1.0))
    without = loss_control(keep, loss, VISITS, PruneSettings())
    assert (~without.sort_values("photo_id")["kept"])[protected.to_numpy()].mean() > 0.5
    capped = loss_control(keep, loss, VISITS, PruneSettings(cap_per_group=0.3, cap_column="skin"))
    rate = (~capped["kept"]).groupby(capped["visit_id"].map(VISITS.set_index("visit_id")["skin"])).mean()
    assert rate.max() <= 0.3
    assert (~capped["kept"]).sum() > 0
