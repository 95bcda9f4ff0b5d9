"""A photo inside its bag, as a function of its pixels: what speaks for a label of the visit while the siblings stay."""

# Axes: K versions of the photo, N photos of the bag, C channels, H W pixels, F encoder feature length.

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.explain.settings import Sign
from grasp_psonet.network.loss import evidence_of
from grasp_psonet.network.network import BagNetwork, normalised


@dataclass(frozen=True)
class PhotoInBag:
    """One photo of a bag, and the label of the visit that its maps speak for.

    ``batch``: the bag alone; ``place``: which of its photos; ``target_1``: the label; ``sign``: of a network by region,
    what is explained in place of the total. The network reads photos and is in eval
    mode. What a version of the photo gives is what the whole network gives of the bag with that version in its place.
    """

    network: BagNetwork
    batch: BagBatch
    place: int
    target_1: Tensor
    sign: Sign = "total"

    def __post_init__(self) -> None:
        assert len(self.batch.photos_BNCHW) == 1, "one bag"
        assert bool(self.batch.is_photo_BN[0, self.place]), "a photo that is not in the bag"
        assert not self.network.training, "a map of a network in training mode would depend on chance"

    @property
    def pixels(self) -> Tensor:
        """The photo itself, [C, H, W] in [0, 1]."""
        return self.batch.photos_BNCHW[0, self.place]

    @cached_property
    def neutral(self) -> Tensor:
        """A photo of nothing, [C, H, W]: every pixel of the mean colour that the encoder takes for 0."""
        return self.network.mean_3[:, None, None].to(self.pixels).expand_as(self.pixels)

    def evidence(self, photo_KCHW: Tensor) -> Tensor:
        """What speaks for the label of the visit (of classes: its logit) with each version in the photo's place, [K].

        Siblings are encoded once. Gradients reach the versions.
        """
        encoded_KF = self._encoded(photo_KCHW)
        feature_KNF = self._sibling_features.expand(len(photo_KCHW), -1, -1).clone()
        feature_KNF[:, self.place] = encoded_KF
        is_photo_KN = self.batch.is_photo_BN.expand(len(photo_KCHW), -1)
        is_stored_KN = self.batch.is_stored_BN.expand(len(photo_KCHW), -1)
        region_BN = self.batch.region_BN
        region_KN = None if region_BN is None else region_BN.expand(len(photo_KCHW), -1)
        logits_KC = self.network(feature_KNF, is_photo_KN, is_stored_KN, region_KN).logits_BC
        evidence_K: Tensor = evidence_of(self.network, self.sign)(logits_KC, self.target_1.expand(len(photo_KCHW)))
        return evidence_K

    @cached_property
    def _sibling_features(self) -> Tensor:
        """Encoder features of the stored photos, [1, N, F]; 0 where there is none."""
        is_stored_BN = self.batch.is_stored_BN
        with torch.no_grad():
            encoded_MF = self._encoded(self.batch.photos_BNCHW[is_stored_BN])
        return encoded_MF.new_zeros(*is_stored_BN.shape, encoded_MF.shape[1]).index_put((is_stored_BN,), encoded_MF)

    def _encoded(self, photo_KCHW: Tensor) -> Tensor:
        assert self.network.encoder is not None, "maps of a network that reads no photos"
        encoded_KF: Tensor = self.network.encoder(normalised(photo_KCHW, self.network.mean_3, self.network.std_3))
        return encoded_KF
