"""A network and bags small enough for float64 references."""

import numpy as np
import torch
from torch import nn

from grasp_psonet.bags.bag import Bag
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.network.settings import NetworkSettings

EDGE_PX = 8


def tiny_network(seed: int = 0, mask: str = "before", outcome: Outcome | None = None) -> BagNetwork:
    """A float64 network of a few hundred parameters with every kind of part, BatchNorm included."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(16, 6), nn.LayerNorm(6)
    )
    card = EncoderCard("tiny", 6, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "none")
    settings = NetworkSettings(feature_length=5, attention_hidden=4, head_hidden=4, mask=mask)  # type: ignore[arg-type]
    network = BagNetwork(encoder, card, settings, outcome or Outcome()).double()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 1.5)
    return network


def tiny_bags(num_visits: int = 6, seed: int = 0, most_photos: int = 4) -> tuple[dict[str, Bag], np.ndarray]:
    """Bags of 1 to ``most_photos`` photos, classes in turn, and their pixels."""
    rng = np.random.default_rng(seed)
    bags, pixels = {}, []
    for v in range(num_visits):
        count = int(rng.integers(1, most_photos + 1))
        rows = tuple(range(len(pixels), len(pixels) + count))
        pixels += [rng.integers(0, 256, (EDGE_PX, EDGE_PX, 3), dtype=np.uint8) for _ in range(count)]
        name = f"v{v}"
        bags[name] = Bag(name, v % 3, tuple(f"{name}-p{n}" for n in range(count)), rows, (True,) * count)
    return bags, np.stack(pixels)


def tiny_source(bags: dict[str, Bag], pixels: np.ndarray) -> BatchSource:
    """Batches whose photos are augmented."""
    return BatchSource(bags, pixels, AugmentationSettings(flip=True, brightness=0.1), 7, False)
