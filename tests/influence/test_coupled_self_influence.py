"""Self-influence of a network that lets photos of a batch meet, too little for the proof of its rules to see it."""

import pytest
import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.tracing.self_influence import cover_photos
from grasp_psonet.training.predict import bags_of_photos
from tests.tiny_study import tiny_bags, tiny_network


class Mixing(nn.Module):
    """A little of the batch's mean in every photo."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, photos: Tensor) -> Tensor:
        return photos + self.share * photos.mean(0)


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_it_is_refused_by_name(share: float) -> None:
    bags, pixels = tiny_bags(6)
    network = tiny_network().float().eval()
    assert isinstance(network.encoder, nn.Module)
    network.encoder = nn.Sequential(Mixing(share), network.encoder)
    photos = list(bags_of_photos(list(bags.values())))
    with torch.enable_grad():
        if not share:
            assert cover_photos(network, photos, pixels).names
            return
        with pytest.raises(TraceError, match=r"module encoder\.0 mixes the photos of a batch"):
            cover_photos(network, photos, pixels)
