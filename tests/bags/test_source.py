"""The source of batches: the same draws give the same batch, and removed photos are read or not as it says."""

from dataclasses import replace

import pandas as pd
import torch

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.bags.source import BatchSource
from tests.tiny_study import tiny_bags, tiny_source

CPU = torch.device("cpu")


def _draws(visit_ids: list[str], epoch: int = 1) -> pd.DataFrame:
    return pd.DataFrame({"step": 1, "epoch": epoch, "draw": range(len(visit_ids)), "visit_id": visit_ids})


def test_the_same_draws_give_the_same_batch_in_any_order_of_asking() -> None:
    source = tiny_source(*tiny_bags())
    first = source.batch(_draws(["v0", "v1"]), CPU)
    other = source.batch(_draws(["v0", "v1"], epoch=2), CPU)
    again = source.batch(_draws(["v0", "v1"]), CPU)
    assert torch.equal(first.photos_BNCHW, again.photos_BNCHW)
    assert not torch.equal(first.photos_BNCHW, other.photos_BNCHW), "augmentation does not depend on the draw"
    assert not torch.equal(first.photos_BNCHW, replace(source, seed=8).batch(_draws(["v0", "v1"]), CPU).photos_BNCHW)
    assert first.label_B.tolist() == [source.labels["v0"], source.labels["v1"]] == [0, 1]


def test_a_visit_drawn_twice_stands_in_the_batch_twice() -> None:
    bags, pixels = tiny_bags()
    batch = BatchSource(bags, pixels).batch(_draws(["v2", "v0", "v2"]), CPU)
    assert batch.label_B.tolist() == [2, 0, 2]
    assert torch.equal(batch.photos_BNCHW[0], batch.photos_BNCHW[2])


def test_removed_photos_are_left_out_or_stand_there_masked() -> None:
    bags, pixels = tiny_bags()
    name, bag = next((name, bag) for name, bag in bags.items() if len(bag) > 2)
    bags[name] = replace(bag, is_present=(True, False, *bag.is_present[2:]))
    left_out = BatchSource(bags, pixels).batch(_draws([name]), CPU)
    masked = BatchSource(bags, pixels, AugmentationSettings(), reads_removed=True).batch(_draws([name]), CPU)
    assert left_out.is_stored_BN.tolist() == [[True] * (len(bag) - 1)]
    assert masked.is_stored_BN.tolist() == [[True] * len(bag)]
    assert masked.is_photo_BN.tolist() == [list(bags[name].is_present)]
    kept = [n for n in range(len(bag)) if n != 1]
    assert torch.equal(masked.photos_BNCHW[0, kept], left_out.photos_BNCHW[0])
