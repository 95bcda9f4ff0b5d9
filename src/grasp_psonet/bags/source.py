"""The source of training batches: from the draws of a step to its batch, the same each time it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd
import torch

from grasp_psonet.bags.bag import AugmentationKey, Bag, BagBatch, Pixels, Vectors, collate
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.tables.columns import DRAW, EPOCH, PADDED_TO, VISIT_ID


@dataclass(frozen=True)
class BatchSource:
    """The bags of a training by visit id, their photos, and how these are augmented (keyed by ``seed``).

    ``reads_removed``: photos that a keep list removed stay in the batch, masked (network.mask paper); else they are left out.
    In the first ``probe_epochs`` epochs, in which the encoder stands still, batches hold ``probe_vectors`` in place of the
    photos: what the encoder says of them, by the same rows. ``most_at_once``: photos that one pass of a step takes (None: all);
    ``recomputes``: it keeps no activations of the encoder, and computes them again.
    """

    bags: Mapping[str, Bag]
    pixels: Pixels
    augmentation: AugmentationSettings = AugmentationSettings()
    seed: int = 0
    reads_removed: bool = False
    probe_vectors: Vectors | None = None
    probe_epochs: int = 0
    most_at_once: int | None = None
    recomputes: bool = False

    def pixels_in(self, epoch: int) -> Pixels:
        """What the bags of this epoch (from 1) are filled from."""
        if self.probe_vectors is not None and epoch <= self.probe_epochs:
            return self.probe_vectors
        return self.pixels

    @property
    def labels(self) -> dict[str, int | float]:
        """The label of every visit."""
        return {visit_id: bag.label for visit_id, bag in self.bags.items()}

    @cached_property
    def _read_bags(self) -> Mapping[str, Bag]:
        if self.reads_removed:
            return self.bags
        return {visit_id: bag.without_removed() for visit_id, bag in self.bags.items()}

    def batch(self, draws: pd.DataFrame, device: torch.device) -> BagBatch:
        """The batch of one step from its rows of the batch plan (epoch and draw are read where photos are augmented, the epoch
        too where a probe reads vectors; where a recorded loop says how it padded its bags, the batch does).
        """
        bags = [self._read_bags[visit_id] for visit_id in draws[VISIT_ID]]
        keys = None
        if self.augmentation.is_on:
            keys = [
                AugmentationKey(self.augmentation, self.seed, int(epoch), int(draw))
                for epoch, draw in zip(draws[EPOCH], draws[DRAW], strict=True)
            ]
        pixels = self.pixels if self.probe_vectors is None else self.pixels_in(int(draws[EPOCH].iloc[0]))
        batch = collate(bags, pixels, keys)
        if PADDED_TO in draws:
            batch = replace(batch, padded_to_B=torch.from_numpy(draws[PADDED_TO].to_numpy(copy=True)))
        return replace(batch.to(device), most_at_once=self.most_at_once, recomputes=self.recomputes)
