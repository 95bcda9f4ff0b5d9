"""A study small enough to train once for every photo: drawn visits with wrong labels and a misleading mark, a tiny network.

Photos are 4 x 4 pixels. Half of a visit's photos show its class, the others show little but noise. As in real use, the
encoder starts pretrained, on other drawn photos, and everything above it starts at random. Harm is planted twice:
some training visits bear another class than they show, and in some visits of class 0 a few photos bear a bright mark that
validation visits of class 2 bear as well.
"""

import copy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from grasp_psonet.bags.bag import Bag, BagBatch, collate
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.chance import generator, seed_of
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.network.settings import NetworkSettings

EDGE_PX = 4
FEW, MANY = 3, 7  # photos of a visit
MARK = (slice(0, 2), slice(0, 2))
NUM_CLASSES = Outcome().num_outputs
SETTINGS = NetworkSettings(feature_length=8, attention_hidden=6, head_hidden=8)
ENCODED = 10
STRENGTH, FAINT, NOISE = 0.12, 0.03, 0.2  # of a class's pattern in photos that show it and in those that hardly do
NUM_PATTERNS = 6  # the classes' and as many that only pretraining shows
PRETRAIN_PHOTOS, PRETRAIN_STEPS = 600, 100


@dataclass(frozen=True)
class MicroStudy:
    """Training and validation visits of one seed; ``mislabelled`` and ``marked`` (photo ids) say where harm was planted."""

    seed: int
    training: tuple[Bag, ...]
    validation: tuple[Bag, ...]
    pixels: np.ndarray
    mislabelled: frozenset[str]
    marked: frozenset[str]

    @property
    def photo_ids(self) -> tuple[str, ...]:
        """Training photos, visit by visit: the columns of every table of photos."""
        return tuple(photo_id for bag in self.training for photo_id in bag.photo_ids)

    @property
    def source(self) -> BatchSource:
        """What makes the batches of training: nothing is augmented."""
        return BatchSource({bag.visit_id: bag for bag in self.training}, self.pixels)

    def batch(self, bags: tuple[Bag, ...]) -> BagBatch:
        """These bags, photos as training sees them."""
        return collate(list(bags), self.pixels)


def draw_study(seed: int, num_training: int = 30, num_validation: int = 15) -> MicroStudy:
    """Classes in turn; every sixth training visit bears a wrong label; marks in a third of the visits of class 0."""
    rng = generator("micro study", seed)
    pattern_CHWC = _patterns(seed)
    bags: list[Bag] = []
    pixels: list[np.ndarray] = []
    mislabelled, marked = set(), set()
    for v in range(num_training + num_validation):
        shown, is_training = v % NUM_CLASSES, v < num_training
        visit_id = f"v{v:02d}"
        count = int(rng.integers(FEW, MANY + 1))
        is_marked_visit = shown == (0 if is_training else 2) and v // NUM_CLASSES % 3 == 0
        photo_ids = tuple(f"{visit_id}-p{n}" for n in range(count))
        for n, photo_id in enumerate(photo_ids):
            strength = STRENGTH if n % 2 == 0 else FAINT
            photo_HWC = 0.5 + strength * pattern_CHWC[shown] + NOISE * rng.normal(size=pattern_CHWC[0].shape)
            if is_marked_visit and n < 2:
                photo_HWC[MARK] = 1.0
                marked.add(photo_id)
            pixels.append((255 * photo_HWC.clip(0, 1)).astype(np.uint8))
        label = shown
        if is_training and v % 6 == 4:
            label = int((shown + rng.integers(1, NUM_CLASSES)) % NUM_CLASSES)
            mislabelled.add(visit_id)
        rows = tuple(range(len(pixels) - count, len(pixels)))
        bags.append(Bag(visit_id, label, photo_ids, rows, (True,) * count))
    return MicroStudy(
        seed,
        tuple(bags[:num_training]),
        tuple(bags[num_training:]),
        np.stack(pixels),
        frozenset(mislabelled),
        frozenset(marked),
    )


def micro_network(seed: int) -> BagNetwork:
    """The project's network in float64 around a pretrained encoder of one layer; about 800 parameters, a new copy each."""
    return copy.deepcopy(_at_start(seed))


@lru_cache(maxsize=4)
def _at_start(seed: int) -> BagNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("micro weights", seed) % 2**63)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * EDGE_PX**2, ENCODED), nn.GELU())
        card = EncoderCard("micro", ENCODED, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "none")
        network = BagNetwork(encoder, card, SETTINGS, Outcome()).double()
        _pretrain(network, nn.Linear(ENCODED, NUM_PATTERNS).double(), seed)
    return network


def _pretrain(network: BagNetwork, classifier: nn.Module, seed: int) -> None:
    """Lets the encoder tell the patterns of drawn photos apart; the classifier is then thrown away."""
    rng = generator("micro pretraining", seed)
    shown_M = rng.integers(0, NUM_PATTERNS, PRETRAIN_PHOTOS)
    photo_MHWC = 0.5 + STRENGTH * _patterns(seed)[shown_M]
    photo_MHWC += NOISE * rng.normal(size=photo_MHWC.shape)
    photos_MCHW = torch.from_numpy(photo_MHWC.clip(0, 1)).permute(0, 3, 1, 2)
    normal_MCHW = (photos_MCHW - network.mean_3[:, None, None]) / network.std_3[:, None, None]
    encoder = network.encoder
    assert encoder is not None
    parameters = [*encoder.parameters(), *classifier.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(PRETRAIN_STEPS):
        loss: Tensor = functional.cross_entropy(classifier(encoder(normal_MCHW)), torch.from_numpy(shown_M))
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
    for parameter in parameters:
        parameter.grad = None


def _patterns(seed: int) -> np.ndarray:
    """What photos can show [patterns, H, W, 3]; the first are those of the classes."""
    pattern_CHWC: np.ndarray = generator("micro patterns", seed).normal(size=(NUM_PATTERNS, EDGE_PX, EDGE_PX, 3))
    return pattern_CHWC
