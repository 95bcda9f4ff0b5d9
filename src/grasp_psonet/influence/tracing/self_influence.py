"""Self-influence of the photos of one visit on each other: the N x N matrix of the paper's section 3.4.

Of a visit with thousands of instances only the influence of each on itself is taken: the matrix would grow with their square.
"""

# Axes: N photos of a visit; W the shape of a parameter.

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from grasp_psonet.bags.bag import Bag, Pixels, collate
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import Formula
from grasp_psonet.influence.gradients.coverage import Coverage, cover
from grasp_psonet.influence.gradients.products import products
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.units.network_parts import visit_losses
from grasp_psonet.influence.units.probe import refuse_coupled_visits
from grasp_psonet.trajectory.records import visit_weights
from grasp_psonet.trajectory.step import trained_parameters
from grasp_psonet.trajectory.trained_network import TrainedNetwork

MOST_PAIRED = 256  # photos of a visit whose influence on each other is taken
_TOGETHER = 64  # photos in one pass of a larger visit


def self_influence(
    trained: TrainedNetwork,
    visits: Mapping[str, Sequence[Bag]],
    pixels: Pixels,
    formula: Formula,
    after_anchor: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """By visit the matrix [N, N] float64 of its photos' influence on each other, summed over the anchors; of a visit with more
    than ``MOST_PAIRED`` photos its diagonal [N].

    ``visits`` holds each visit's photos as bags of one. The diagonal is what training on a photo did to that photo's own
    loss: large where the label had to be memorised (TracIn, section 4.1). Visits never drawn score exactly 0. Raises
    TraceError for formulas that give photos no influence on themselves (``Formula.why_no_self_influence``).
    """
    if formula.preconditioner is None or formula.why_no_self_influence:
        raise TraceError(f"{formula.why_no_self_influence}\n  next: formula adam, sgd or paper")
    matrices = {visit_id: np.zeros(_shape(len(photos))) for visit_id, photos in visits.items()}
    network, trajectory, windows = trained.network, trained.trajectory, trained.windows()
    coverage = cover_photos(network, [photo for photos in visits.values() for photo in photos], pixels)
    for done, (before, step) in enumerate(windows, start=1):
        anchor = trained.load(step)
        weights = visit_weights(trajectory.steps, before, step, formula.is_divided_by_batch)
        diagonal_W = formula.preconditioner(AdamPoint(anchor.state, trajectory.optimizer))
        diagonal_1W = {name: value[None] for name, value in diagonal_W.items()}
        for visit_id in sorted(visits.keys() & weights.keys()):
            photos = visits[visit_id]
            found = _pairs if len(photos) <= MOST_PAIRED else _own
            matrices[visit_id] += weights[visit_id] * found(network, photos, pixels, coverage, diagonal_1W)
        after_anchor(done, len(windows))
    return matrices


def _shape(num_photos: int) -> tuple[int, ...]:
    return (num_photos, num_photos) if num_photos <= MOST_PAIRED else (num_photos,)


def _pairs(
    network: nn.Module, photos: Sequence[Bag], pixels: Pixels, coverage: Coverage, diagonal_1W: Mapping[str, Tensor]
) -> np.ndarray:
    """``g_i . D g_j`` [N, N] of these photos."""
    losses = _losses_of_photos(network, photos, pixels)
    found = products(network, losses, coverage, {}, diagonal_1W, wants_gram=True)
    assert found.gram_MBB is not None
    pairs: np.ndarray = found.gram_MBB[0].double().cpu().numpy()
    return pairs


def _own(
    network: nn.Module, photos: Sequence[Bag], pixels: Pixels, coverage: Coverage, diagonal_1W: Mapping[str, Tensor]
) -> np.ndarray:
    """``g_i . D g_i`` [N], some photos at a time."""
    parts = [
        products(
            network, _losses_of_photos(network, photos[at : at + _TOGETHER], pixels), coverage, {}, diagonal_1W
        ).squared_BM[:, 0]
        for at in range(0, len(photos), _TOGETHER)
    ]
    own: np.ndarray = torch.cat(parts).double().cpu().numpy()
    return own


def cover_photos(network: nn.Module, photos: Sequence[Bag], pixels: Pixels) -> Coverage:
    """The exact rule of every trained parameter for photos as bags of one, proven on the first three of these photos.

    Raises TraceError naming the module that lets the photos of a batch meet.
    """
    few = collate(list(photos[:3]), pixels).to(next(network.parameters()).device)
    if len(few.label_B) > 1:
        refuse_coupled_visits(network, few)
    return cover(network, _losses_of_photos(network, photos[:3], pixels), trained_parameters(network).keys())


def _losses_of_photos(network: nn.Module, bags: Sequence[Bag], pixels: Pixels) -> Callable[[nn.Module], Tensor]:
    """The loss [B] of these bags of one photo, as a function of the network."""
    batch = collate(list(bags), pixels).to(next(network.parameters()).device)

    def losses(module: nn.Module) -> Tensor:
        return visit_losses(module, batch)

    return losses
