"""The multi-instance network: photo encoder, projection, attention over the visit's photos, classifier.

Paper, section 2.2 and figure 1. The network holds no dropout and its BatchNorm statistics are frozen, so that training
and evaluation are the same function and a photo's gradient depends on that photo alone.

With a frozen encoder the network reads features that were computed once, and then needs no encoder of its own.
"""

# Axes: B bags (visits), N photos per bag (padded), M photos of the whole batch, F encoder feature length, D feature length,
# C outputs (of classes: logits).

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from grasp_psonet.chance import seed_of
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import NetworkError
from grasp_psonet.network.attention import attention_scorer, pool_read
from grasp_psonet.network.encoder import EncoderCard, build_encoder, freeze
from grasp_psonet.network.regions import NUM_PARTS, RegionalHead
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.network.undrawn import Undrawn, left_undrawn


class BagOutput(NamedTuple):
    """What the network says of a batch of visits."""

    logits_BC: Tensor
    attention_BN: Tensor
    attention_logit_BN: Tensor


class BagNetwork(nn.Module):
    """Photos [B, N, 3, H, W] in [0, 1], or encoder features [B, N, F], and their presence [B, N] -> the outputs that
    ``outcome`` names, and attention.

    ``encoder`` None: it reads features alone.
    """

    mean_3: Tensor
    std_3: Tensor

    def __init__(
        self, encoder: nn.Module | None, card: EncoderCard, settings: NetworkSettings, outcome: Outcome
    ) -> None:
        super().__init__()
        length = card.feature_length if settings.projection == "none" else settings.feature_length
        self.card = card
        self.outcome = outcome
        self.masks_as_paper = settings.mask == "paper"
        self.attends = settings.attention != "mean"
        self.encoder = encoder
        self.norm = UnitLength() if settings.feature_norm == "unit_length" else nn.Identity()
        self.projection = _projection(card.feature_length, length, settings.projection)
        self.attention = attention_scorer(settings.attention, length, settings.attention_hidden)
        self.head = _head(length, settings.head_hidden, outcome)
        self.register_buffer("mean_3", torch.tensor(card.mean), persistent=False)
        self.register_buffer("std_3", torch.tensor(card.std), persistent=False)
        self.eval()

    def forward(
        self,
        photos_BNCHW: Tensor,
        is_photo_BN: Tensor,
        is_stored_BN: Tensor | None = None,
        region_BN: Tensor | None = None,
    ) -> BagOutput:
        """Logits, attention and attention logits (-inf where nothing was read).

        ``is_stored_BN`` marks photos that exist though removed; only the paper's mask reads them (default: is_photo).
        ``region_BN`` numbers the region of the body of each photo, which an outcome with parts by region needs.
        Raises EmptyBag for a visit without photos.
        """
        assert (region_BN is not None) == self.outcome.has_regions, "regions of photos come with an outcome by region"
        is_stored_BN = is_photo_BN if is_stored_BN is None else is_stored_BN
        is_read_BN = is_stored_BN if self.masks_as_paper else is_photo_BN
        # photo by photo, not bag by bag: dimension 0 of every layer up to the pool is the photo
        feature_MD = self.features(photos_BNCHW[is_read_BN])
        bag_BD, attention_BN, logit_BN = pool_read(
            feature_MD, self.attention(feature_MD), is_photo_BN, is_stored_BN, self.masks_as_paper, region_BN
        )
        return BagOutput(self.head(bag_BD), attention_BN, logit_BN)

    def features(self, instances_M: Tensor) -> Tensor:
        """Projected features [M, D] of photos [M, 3, H, W] in [0, 1], or of encoder features [M, F]."""
        encoded_MF = instances_M
        if instances_M.ndim != 2:
            assert self.encoder is not None, "photos for a network that reads features"
            encoded_MF = self.encoder(normalised(instances_M, self.mean_3, self.std_3))
        feature_MD: Tensor = self.projection(self.norm(encoded_MF))
        return feature_MD


class UnitLength(nn.Module):
    """Features [M, F] less their own mean and scaled to length 1, photo by photo: no photo counts by its contrast alone, and no
    other photo's features are needed for it. One that is constant becomes 0.
    """

    def forward(self, feature_MF: Tensor) -> Tensor:
        """The features [M, F] so normalised."""
        return functional.normalize(feature_MF - feature_MF.mean(dim=-1, keepdim=True), dim=-1)


def build_network(settings: NetworkSettings, edge_px: int, seed: int, outcome: Outcome) -> BagNetwork:
    """The network at its start: encoder weights as set, everything else drawn from (seed, "weights").

    What training does not move (``network.train``) requires no gradient. Raises NetworkError where the encoder cannot be had
    or has fewer blocks than are to be trained.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("weights", seed) % 2**63)
        encoder, card = build_encoder(settings.encoder, settings.weights, edge_px)
        freeze(encoder, settings)
        return BagNetwork(encoder, card, settings, outcome)


def build_network_on_features(card: EncoderCard, settings: NetworkSettings, seed: int, outcome: Outcome) -> BagNetwork:
    """The network without an encoder at its start, drawn from (seed, "weights"); ``card`` is that of the features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("weights", seed) % 2**63)
        return BagNetwork(None, card, settings, outcome)


def with_encoder(network: BagNetwork, settings: NetworkSettings, edge_px: int, seed: int) -> BagNetwork:
    """A network of its own that reads photos: the encoder that the features came from, all else as in ``network``."""
    with _undrawn_unless_random(settings):
        whole = build_network(settings, edge_px, seed, network.outcome)
    whole.load_state_dict(whole.state_dict() | network.state_dict())
    _refuse_undrawn(whole, settings)
    return whole.to(next(network.parameters()).device)


def build_start_encoder(settings: NetworkSettings, edge_px: int, seed: int) -> tuple[nn.Module, EncoderCard]:
    """The encoder of ``build_network`` alone, and its card; the seed counts where its weights are random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("weights", seed) % 2**63)
        with _undrawn_unless_random(settings):
            encoder, card = build_encoder(settings.encoder, settings.weights, edge_px)
    _refuse_undrawn(encoder, settings)
    return encoder, card


def _refuse_undrawn(network: nn.Module, settings: NetworkSettings) -> None:
    if settings.weights != "random" and (names := left_undrawn(network)):
        raise NetworkError(
            f"the weights {settings.weights!r} give {len(names)} parameters of {settings.encoder} no value, or NaN, "
            f"first {names[0]}\n  next: set network.weights to weights of this encoder"
        )


def _undrawn_unless_random(settings: NetworkSettings) -> AbstractContextManager[object]:
    """Where an encoder is built that is given weights at once, and nothing beside it is drawn that stays."""
    return nullcontext() if settings.weights == "random" else Undrawn()


def normalised(photos_MCHW: Tensor, mean_3: Tensor, std_3: Tensor) -> Tensor:
    """Photos in [0, 1] as the encoder wants them."""
    return (photos_MCHW - mean_3[:, None, None]) / std_3[:, None, None]


def visit_loss(logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """Cross-entropy of each visit [B]."""
    return functional.cross_entropy(logits_BC, label_B, reduction="none")


def _head(length: int, hidden: int, outcome: Outcome) -> nn.Module:
    if outcome.has_regions:
        return RegionalHead(_mlp(length, hidden, NUM_PARTS), outcome.scale.points_per_unit)
    return _mlp(length, hidden, outcome.num_outputs)


def _projection(length_in: int, length_out: int, kind: str) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    return _mlp(length_in, length_out if kind == "mlp" else 0, length_out)


def _mlp(length_in: int, hidden: int, length_out: int) -> nn.Module:
    if hidden == 0:
        return nn.Linear(length_in, length_out)
    return nn.Sequential(nn.Linear(length_in, hidden), nn.GELU(), nn.Linear(hidden, length_out))
