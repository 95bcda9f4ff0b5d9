"""Are the engine's products those of autograd? Asked of an encoder in float64, one photo at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.families.encoders import NUM_CLASSES, Family
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.coverage import cover
from grasp_psonet.influence.gradients.products import products

NUM_PHOTOS, NUM_DIRECTIONS = 3, 2
EXACT = 1e-9  # of |gradient|, which a product with a standard normal direction is about as large as


@dataclass(frozen=True)
class Verdict:
    """``gap``: largest difference of a product from autograd's, as a part of |gradient|; None where the encoder is refused, for
    ``why``. Scalar parameters, and how many of them go the slower way of rerunning a module."""

    gap: float | None
    why: str
    num_parameters: int
    num_slow: int

    @property
    def in_words(self) -> str:
        """``exact``, ``refused: ...`` or ``wrong: ...``."""
        if self.gap is None:
            return f"refused: {self.why}"
        return "exact" if self.gap <= EXACT else f"wrong: off by {self.gap:.1e}"


def judged(family: Family) -> Verdict:
    """The verdict on products of three photos that the coverage was not proven on."""
    network = family.build().double()
    numel = sum(parameter.numel() for parameter in network.parameters())
    photos = torch.rand(2 * NUM_PHOTOS, 3, family.edge_px, family.edge_px, dtype=torch.float64)
    labels = torch.arange(2 * NUM_PHOTOS) % NUM_CLASSES
    proof, fresh = slice(0, NUM_PHOTOS), slice(NUM_PHOTOS, None)

    with torch.no_grad():
        scale = 1 / network(photos).abs().max()  # a saturated loss has no gradient to compare

    def losses(module: nn.Module, at: slice | list[int]) -> Tensor:
        return functional.cross_entropy(scale * module(photos[at]), labels[at], reduction="none")

    def first_loss(b: int, module: nn.Module) -> Tensor:
        return losses(module, [b, b])[0]

    try:
        coverage = cover(network, lambda module: losses(module, proof))
        directions = {
            name: torch.randn(NUM_DIRECTIONS, *parameter.shape, dtype=torch.float64)
            for name, parameter in network.named_parameters()
        }
        dot_BQ = products(network, lambda module: losses(module, fresh), coverage, directions).dot_BQ
    except TraceError as refusal:
        return Verdict(None, str(refusal).splitlines()[0], numel, 0)
    gap = max(
        _gap(network, partial(first_loss, b), directions, dot_BQ[b - NUM_PHOTOS])
        for b in range(NUM_PHOTOS, 2 * NUM_PHOTOS)
    )
    return Verdict(gap, "", numel, coverage.numel_by_rule.get("local_vjp", 0))


def _gap(
    network: nn.Module, loss: Callable[[nn.Module], Tensor], directions: dict[str, Tensor], found_Q: Tensor
) -> float:
    """How far products are from those of the gradient of one photo's loss, taken beside a copy of the photo: torch's backward
    pass of BatchNorm on a batch of one may be wrong (docs/method.md)."""
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(loss(network), list(parameters.values()), allow_unused=True, materialize_grads=True)
    by_name = dict(zip(parameters, gradients, strict=True))
    truth_Q = sum((directions[name].flatten(1) @ g.flatten() for name, g in by_name.items()), torch.zeros(1))
    norm = float(torch.stack([g.square().sum() for g in by_name.values()]).sum().sqrt())
    assert norm > 0, "all gradients vanish: the comparison would prove nothing"
    return float((found_Q - truth_Q).abs().max()) / norm
