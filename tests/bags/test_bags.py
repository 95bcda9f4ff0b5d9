"""Bags, batches, augmentation and the batch plan."""

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet.bags.augmentation import augment
from grasp_psonet.bags.bag import AugmentationKey, collate, make_bags
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.errors import StudyError
from tests.tiny_study import tiny_bags

LABELS = {f"v{n}": [0, 0, 0, 0, 1, 1, 2][n] for n in range(7)}


def test_the_plan_is_keyed_by_seed_epoch_and_visits_alone() -> None:
    plan = batch_plan(LABELS, 3, 2, "class_weighted", 0)
    again = batch_plan(dict(reversed(LABELS.items())), 5, 2, "class_weighted", 0)
    pd.testing.assert_frame_equal(plan, again[again["epoch"] <= 3])
    assert not plan.equals(batch_plan(LABELS, 3, 2, "class_weighted", 1))


def test_every_epoch_has_a_draw_per_visit_and_a_shorter_last_step() -> None:
    plan = batch_plan(LABELS, 2, 3, "uniform", 0)
    assert plan.groupby("epoch").size().tolist() == [7, 7]
    assert plan.groupby("step").size().tolist() == [3, 3, 1, 3, 3, 1]
    assert plan["step"].tolist() == sorted(plan["step"])


def test_class_weighted_sampling_gives_every_class_the_same_share() -> None:
    drawn = batch_plan(LABELS, 1000, 4, "class_weighted", 0)["visit_id"].map(LABELS)
    share = drawn.value_counts(normalize=True)
    assert share[[0, 1, 2]].tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    even = batch_plan(LABELS, 1000, 4, "uniform", 0)["visit_id"].map(LABELS).value_counts(normalize=True)
    assert even[0] == pytest.approx(4 / 7, abs=0.02)


def test_shuffled_takes_each_visit_once() -> None:
    plan = batch_plan(LABELS, 3, 4, "shuffled", 0)
    assert (plan.groupby("epoch")["visit_id"].nunique() == 7).all()


def test_augmentation_is_keyed_and_spares_what_is_not_set() -> None:
    photo = torch.rand(8, 8, 3)
    assert augment(photo, AugmentationSettings(), ("key",)) is photo
    every = AugmentationSettings(flip=True, brightness=0.2, contrast=0.2, shift=0.3)
    assert torch.equal(augment(photo, every, ("key", 1)), augment(photo, every, ("key", 1)))
    assert not torch.equal(augment(photo, every, ("key", 1)), augment(photo, every, ("key", 2)))
    flipped = [augment(photo, AugmentationSettings(flip=True), ("key", n)) for n in range(40)]
    assert {torch.equal(one, photo) for one in flipped} == {True, False}
    assert all(torch.equal(one, photo) or torch.equal(one, photo.flip(1)) for one in flipped)


def test_two_draws_of_a_visit_differ_and_each_can_be_rebuilt_alone() -> None:
    bags, pixels = tiny_bags(2)
    every = AugmentationSettings(brightness=0.3, shift=0.2)
    first, second = (AugmentationKey(every, 0, 1, draw) for draw in (0, 1))
    both = collate([bags["v0"], bags["v0"]], pixels, [first, second]).photos_BNCHW
    assert not torch.equal(both[0], both[1])
    assert torch.equal(collate([bags["v0"]], pixels, [second]).photos_BNCHW[0], both[1])


def test_collate_pads_and_marks_what_is_present_and_what_is_stored() -> None:
    index = pd.DataFrame({"row": [0, 1, 2], "photo_id": ["a", "b", "c"], "visit_id": ["v", "v", "w"]})
    visits = pd.DataFrame({"visit_id": ["w", "v"], "label": [2, 0]})
    bags = make_bags(visits, index, "label", frozenset({"b"}))
    assert list(bags) == ["w", "v"]
    pixels = np.full((3, 4, 4, 3), 255, dtype=np.uint8)
    batch = collate(list(bags.values()), pixels)
    assert batch.label_B.tolist() == [2, 0]
    assert batch.is_stored_BN.tolist() == [[True, False], [True, True]]
    assert batch.is_photo_BN.tolist() == [[True, False], [True, False]]
    assert batch.photos_BNCHW[0, 0].min() == 1.0
    assert bags["v"].without_removed().photo_ids == ("a",)


def test_a_keep_list_of_another_study_is_refused() -> None:
    index = pd.DataFrame({"row": [0], "photo_id": ["a"], "visit_id": ["v"]})
    visits = pd.DataFrame({"visit_id": ["v"], "label": [0]})
    with pytest.raises(StudyError, match=r"1 photos that the store does not hold \(first: zebra\)"):
        make_bags(visits, index, "label", frozenset({"zebra"}))
