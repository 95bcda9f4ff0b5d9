"""Random projections of layer gradients: few numbers of each parameter are kept.

The gradient of a parameter, seen as a matrix G [O, K], becomes ``L G R'`` [o, k] with o k at most the numbers kept: L [o, O]
and R [k, K] hold signs divided by the root of their number of rows, so that products of projected values are those of whole
ones on average over the draws. They are drawn by seed and the parameter's name, the same on every machine. A layer's gradient
that is a sum of outer products is projected factor by factor and never formed (LoGra, Choe et al. 2024; the signs are those of
TRAK, Park et al. 2023, which projects whole gradients with one matrix). A parameter that has no more numbers than are kept is
taken whole.
"""

# Axes: R rows (examples or queries), T positions, O and K sides of a parameter, o and k those of its projection.

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from grasp_psonet.chance import generator
from grasp_psonet.influence.gradients.rules import Gradient, Outer

Sides = tuple[Tensor | None, Tensor | None]


@dataclass(frozen=True)
class Projection:
    """Keeps at most ``num_kept`` numbers of each parameter's gradient, chosen by ``seed``.

    The matrices of ``sides`` are made once for each parameter, device and precision.
    """

    num_kept: int
    seed: int = 0
    _made: dict[object, Sides] = field(default_factory=dict, compare=False, repr=False)

    def kept_of(self, shape: torch.Size) -> tuple[int, int]:
        """The sides (o, k) of what is kept of a parameter of this shape."""
        num_left, num_right = sides_of(shape)
        if num_left * num_right <= self.num_kept:
            return num_left, num_right
        kept_right = min(num_right, self.num_kept // min(num_left, max(1, isqrt(self.num_kept))))
        return min(num_left, self.num_kept // kept_right), kept_right

    def numel_of(self, shape: torch.Size) -> int:
        """How many numbers are kept of a parameter of this shape."""
        kept_left, kept_right = self.kept_of(shape)
        return kept_left * kept_right

    def sides(self, name: str, shape: torch.Size, like: Tensor) -> Sides:
        """L [o, O] and R [k, K] of this parameter; None for a side that is kept whole."""
        key = (name, shape, like.device, like.dtype)
        if key not in self._made:
            wanted = zip(("left", "right"), self.kept_of(shape), sides_of(shape), strict=True)
            left, right = (self._signs(name, side, kept, numel, like) for side, kept, numel in wanted)
            self._made[key] = (left, right)
        return self._made[key]

    def _signs(self, name: str, side: str, num_kept: int, numel: int, like: Tensor) -> Tensor | None:
        if num_kept == numel:
            return None
        sign = generator("projection", self.seed, name, side).integers(0, 2, (num_kept, numel), dtype=np.int8) * 2 - 1
        found: Tensor = torch.from_numpy(sign).to(like.device, like.dtype) / num_kept**0.5
        return found

    def of_rows(self, name: str, shape: torch.Size, value_RW: Tensor) -> Tensor:
        """The projections [R, o * k] of rows [R, *shape] of this parameter."""
        left, right = self.sides(name, shape, value_RW)
        value_ROK = value_RW.reshape(len(value_RW), *sides_of(shape))
        if right is not None:
            value_ROK = value_ROK @ right.T
        if left is not None:
            value_ROK = torch.einsum("po,rok->rpk", left, value_ROK)
        return value_ROK.flatten(1)

    def of_gradient(self, name: str, shape: torch.Size, gradient: Gradient) -> Gradient:
        """The projection of every example's gradient of this parameter, as factors where the gradient is given so."""
        if not isinstance(gradient, Outer):
            return self.of_rows(name, shape, gradient)
        if (gradient.left_BTO.shape[2], gradient.right_BTK.shape[2]) != sides_of(shape):
            return self.of_rows(name, shape, gradient.dense())
        left, right = self.sides(name, shape, gradient.left_BTO)
        return Outer(
            gradient.left_BTO if left is None else gradient.left_BTO @ left.T,
            gradient.right_BTK if right is None else gradient.right_BTK @ right.T,
        )

    def of_all(self, values_RW: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The projections [R, o * k] of values [R, *shape] by parameter."""
        return {name: self.of_rows(name, value_RW.shape[1:], value_RW) for name, value_RW in values_RW.items()}


def sides_of(shape: torch.Size) -> tuple[int, int]:
    """A parameter as a matrix (O, K): its first dimension longer than 1 against all others."""
    num_left = next((length for length in shape if length > 1), 1)
    return num_left, shape.numel() // num_left if num_left else 0
