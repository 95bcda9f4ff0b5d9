"""The few photos on which a unit is proven, and the proofs that photos and visits of one batch do not touch each other."""

# Axes: B bags (visits), N photos per bag, M photos that are read, D feature length.

from dataclasses import replace

import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.influence.gradients.coupling import refuse_coupling
from grasp_psonet.influence.units.network_parts import features_of, part, visit_losses


def probe_visits(batch: BagBatch, num_visits: int, num_photos: int) -> BagBatch:
    """Visits of equally many photos made from the first present photos; where those run out, dimmed copies stand in."""
    photos_P, wanted = batch.photos_BNCHW[batch.is_photo_BN], num_visits * num_photos
    copies = [photos_P * 0.8**k for k in range(-(-wanted // len(photos_P)))]
    photos_BN = torch.cat(copies)[:wanted].reshape(num_visits, num_photos, *photos_P.shape[1:])
    is_there_BN = torch.ones(num_visits, num_photos, dtype=torch.bool, device=photos_P.device)
    label_B = batch.label_B[torch.arange(num_visits, device=photos_P.device) % len(batch.label_B)]
    region_BN = None
    if batch.region_BN is not None:
        region_P = batch.region_BN[batch.is_photo_BN].repeat(len(copies))
        region_BN = region_P[:wanted].reshape(num_visits, num_photos)
    return BagBatch(photos_BN, is_there_BN, is_there_BN, label_B, region_BN)


def pulls(network: nn.Module, photos_M: Tensor) -> Tensor:
    """The feature and attention logit of each photo times a random but fixed vector [M]."""
    feature_MD = features_of(network, photos_M)
    logit_M: Tensor = part(network, "attention")(feature_MD)
    rng = torch.Generator().manual_seed(0)
    pull_MD, pull_M = (torch.randn(like.shape, generator=rng).to(photos_M) for like in (feature_MD, logit_M))
    return (feature_MD * pull_MD).sum(dim=1) + logit_M * pull_M


def refuse_coupled_photos(network: nn.Module, probe: BagBatch) -> None:
    """Raises TraceError naming what lets a photo's feature or logit depend on the other photos."""
    refuse_coupling(network, pulls, probe.photos_BNCHW[probe.is_photo_BN])


def refuse_coupled_visits(network: nn.Module, probe: BagBatch) -> None:
    """Raises TraceError naming what lets a visit's loss depend on the other visits of its batch."""

    def losses(module: nn.Module, photos_BN: Tensor) -> Tensor:
        return visit_losses(module, replace(probe, photos_BNCHW=photos_BN))

    refuse_coupling(network, losses, probe.photos_BNCHW)
