"""Multiplying per-example gradients with directions, layer by layer, and forgetting them.

Axes: B examples, T positions, O outputs, K inputs, Q directions, M preconditioners, W weights of a parameter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from grasp_psonet.influence.gradients.projection import Projection
from grasp_psonet.influence.gradients.rules import Gradient, Outer

CPU_BLOCK_BYTES = 2 * 2**20  # a materialised gradient is formed and used in blocks of this size, in one workspace
MIN_BLOCK_ROWS = 64  # but not in thinner ones, which starve the products
DEVICE_BLOCK_BYTES = 256 * 2**20  # elsewhere than on a CPU: few large products instead of many that fit its cache
ROUND_TRIP = 8  # cost of writing and reading one number of an intermediate result, in multiply-adds
DOT = 2  # cost of one multiply-add with a direction: those products are long and thin
SMALL_PARAMETER = 4096  # gradients of parameters up to this size wait and are multiplied together


class ProductAccumulator:
    """Products of per-example gradients, summed over the parameters seen so far (a sink of ``backward_pass``).

    A parameter used several times in one forward pass has one gradient, the sum over its uses; squares and Gram
    matrices wait until that sum is whole.
    """

    def __init__(
        self, directions: Mapping[str, Tensor], preconditioners: Mapping[str, Tensor], wants_gram: bool
    ) -> None:
        self.directions, self.preconditioners, self.wants_gram = directions, preconditioners, wants_gram
        self.num_directions = next((len(value) for value in directions.values()), 0)
        self.num_preconditioners = next((len(value) for value in preconditioners.values()), 0)
        self.dot_QB: Tensor | None = None
        self.squared_BM: Tensor | None = None
        self.gram_MBB: Tensor | None = None
        self._open_uses: Counter[str] = Counter()
        self._partial: dict[str, Tensor] = {}
        self._is_shared: set[str] = set()
        self._small: dict[str, list[Tensor]] = {}
        self._workspace: Tensor | None = None

    def expect(self, name: str) -> None:
        """The forward pass has used this parameter once more."""
        self._open_uses[name] += 1
        if self._open_uses[name] > 1:
            self._is_shared.add(name)

    def add(self, name: str, gradient: Gradient) -> None:
        """Takes the gradient of one use of a parameter."""
        self._open_uses[name] -= 1
        if name not in self._is_shared or not self.num_preconditioners:
            self._take(name, gradient)
            return
        dense = gradient.dense() if isinstance(gradient, Outer) else gradient
        dense = dense.reshape(len(dense), -1)
        self._partial[name] = self._partial[name] + dense if name in self._partial else dense
        if not self._open_uses[name]:
            self._take(name, self._partial.pop(name))

    def finish(self) -> None:
        """Takes what waited: for a use that never reached the loss, or for company."""
        for name in list(self._partial):
            self._take(name, self._partial.pop(name))
        if self._small:
            names = [name for name, gradients in self._small.items() for _ in gradients]
            gradient_BW = torch.cat([gradient for gradients in self._small.values() for gradient in gradients], dim=1)
            self._small = {}
            self._multiply(gradient_BW, _joined(self.directions, names), _joined(self.preconditioners, names))

    def _take(self, name: str, gradient: Gradient) -> None:
        if not isinstance(gradient, Outer):
            gradient_BW = gradient.reshape(len(gradient), -1)
            if gradient_BW.shape[1] <= SMALL_PARAMETER:
                self._small.setdefault(name, []).append(gradient_BW)
            else:
                self._multiply(gradient_BW, _joined(self.directions, [name]), _joined(self.preconditioners, [name]))
            return
        gradient = _without_zeros(gradient)
        if not gradient.left_BTO.numel():
            return  # no loss depends on this layer, as behind a dead ReLU: every product is 0
        num_examples, num_positions, num_outputs = gradient.left_BTO.shape
        num_inputs = gradient.right_BTK.shape[2]
        if not self.num_preconditioners and self._is_cheaper_contracted(num_positions, num_inputs):
            self._take_contracted(name, gradient)
            return
        direction_QW, diagonal_MW = _joined(self.directions, [name]), _joined(self.preconditioners, [name])
        rows = self._rows(gradient.left_BTO, num_examples * num_inputs, num_outputs)
        workspace = self._room(num_examples * rows * num_inputs, gradient.left_BTO)
        for start in range(0, num_outputs, rows):
            left_BOT = gradient.left_BTO[:, :, start : start + rows].transpose(1, 2)
            num_rows = left_BOT.shape[1]
            block_BOK = workspace[: num_examples * num_rows * num_inputs].view(num_examples, num_rows, num_inputs)
            torch.bmm(left_BOT, gradient.right_BTK, out=block_BOK)
            part = slice(start * num_inputs, (start + num_rows) * num_inputs)
            self._multiply(
                block_BOK.view(num_examples, -1),
                None if direction_QW is None else direction_QW[:, part],
                None if diagonal_MW is None else diagonal_MW[:, part],
            )

    def _rows(self, like: Tensor, row_numel: int, num_rows: int) -> int:
        """How many rows of an intermediate result make one block."""
        block_bytes = CPU_BLOCK_BYTES if like.device.type == "cpu" else DEVICE_BLOCK_BYTES
        return min(num_rows, max(MIN_BLOCK_ROWS, block_bytes // max(1, row_numel * like.element_size())))

    def _room(self, num_scalars: int, like: Tensor) -> Tensor:
        """Scratch memory that is used again for every block: fresh pages cost more than the products formed in them."""
        if self._workspace is None or len(self._workspace) < num_scalars:
            self._workspace = like.new_empty(num_scalars)
        return self._workspace

    def _is_cheaper_contracted(self, num_positions: int, num_inputs: int) -> bool:
        """By multiply-adds per example and weight.

        T for the gradient and Q for its products; or Q T without it, and for every K weights Q T numbers in between.
        """
        contracted = self.num_directions * num_positions * (1 + ROUND_TRIP / max(1, num_inputs))
        return contracted <= num_positions + DOT * self.num_directions

    def _take_contracted(self, name: str, gradient: Outer) -> None:
        """``left . (D right)`` for some directions, or some outputs of one, at a time."""
        num_examples, num_positions, num_outputs = gradient.left_BTO.shape
        left_NO, right_NK = gradient.left_BTO.flatten(0, 1), gradient.right_BTK.flatten(0, 1)
        direction_QOK = self.directions[name].reshape(self.num_directions, num_outputs, right_NK.shape[1])
        dot_QB = self._dot(left_NO, num_examples)
        rows = self._rows(left_NO, len(left_NO), self.num_directions * num_outputs)
        workspace = self._room(len(left_NO) * rows, left_NO)
        for first in range(0, self.num_directions, max(1, rows // num_outputs)):
            for start in range(0, num_outputs, min(rows, num_outputs)):
                block_QOK = direction_QOK[first : first + max(1, rows // num_outputs), start : start + rows]
                block_RK = block_QOK.flatten(0, 1)
                image_NR = workspace[: len(left_NO) * len(block_RK)].view(len(left_NO), -1)
                torch.mm(right_NK, block_RK.T, out=image_NR)
                image_NQO = image_NR.view(len(left_NO), *block_QOK.shape[:2])
                product_NQ = torch.bmm(image_NQO, left_NO[:, start : start + rows, None]).squeeze(2)
                product_BTQ = product_NQ.view(num_examples, num_positions, -1)
                dot_QB[first : first + len(block_QOK)] += product_BTQ.sum(1).T

    def _multiply(self, gradient_BW: Tensor, direction_QW: Tensor | None, diagonal_MW: Tensor | None) -> None:
        """Adds the products of some parameters' gradients."""
        if direction_QW is not None:
            self._dot(gradient_BW, len(gradient_BW)).addmm_(direction_QW, gradient_BW.T)
        if diagonal_MW is None:
            return
        if not self.wants_gram:
            self._squared(gradient_BW).addmm_(gradient_BW.square(), diagonal_MW.T)
            return
        for m, diagonal_W in enumerate(diagonal_MW):
            gram_BB = (gradient_BW * diagonal_W) @ gradient_BW.T
            self._gram(gradient_BW)[m] += gram_BB

    def _dot(self, like: Tensor, num_examples: int) -> Tensor:
        if self.dot_QB is None:
            self.dot_QB = like.new_zeros(self.num_directions, num_examples)
        return self.dot_QB

    def _squared(self, like: Tensor) -> Tensor:
        if self.squared_BM is None:
            self.squared_BM = like.new_zeros(len(like), self.num_preconditioners)
        return self.squared_BM

    def _gram(self, like: Tensor) -> Tensor:
        if self.gram_MBB is None:
            self.gram_MBB = like.new_zeros(self.num_preconditioners, len(like), len(like))
        return self.gram_MBB


class ProjectedAccumulator(ProductAccumulator):
    """The same with directions that are projected [Q, o * k], as gradients are before they are multiplied with them.

    Squares and Gram matrices are those of whole gradients. ``shapes``: those of the parameters by name.
    """

    def __init__(
        self,
        projection: Projection,
        shapes: Mapping[str, torch.Size],
        directions: Mapping[str, Tensor],
        preconditioners: Mapping[str, Tensor],
        wants_gram: bool,
    ) -> None:
        super().__init__({}, preconditioners, wants_gram)
        self.projection, self.shapes = projection, shapes
        self._projected = ProductAccumulator(directions, {}, False)
        self.num_directions = self._projected.num_directions

    def expect(self, name: str) -> None:
        """The forward pass has used this parameter once more."""
        super().expect(name)
        self._projected.expect(name)

    def add(self, name: str, gradient: Gradient) -> None:
        """Takes the gradient of one use of a parameter."""
        if self.num_directions:
            self._projected.add(name, self.projection.of_gradient(name, self.shapes[name], gradient))
        if self.num_preconditioners:
            super().add(name, gradient)

    def finish(self) -> None:
        """Takes what waited."""
        super().finish()
        self._projected.finish()
        self.dot_QB = self._projected.dot_QB


def _joined(by_name: Mapping[str, Tensor], names: Sequence[str]) -> Tensor | None:
    """Directions or preconditioners of some parameters side by side, [Q, W] or [M, W]; None where there are none."""
    if not by_name or not len(next(iter(by_name.values()))):
        return None
    flat = [by_name[name].reshape(len(by_name[name]), -1) for name in names]
    return flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)


def _without_zeros(gradient: Outer) -> Outer:
    """Leaves out the positions that no example's loss depends on (all but the class token, in the last block of a ViT).

    Only where looking costs nothing: on a CPU, and if the first example has such positions.
    """
    left_BTO = gradient.left_BTO
    if left_BTO.device.type != "cpu" or not len(left_BTO) or left_BTO.shape[1] < 2 or left_BTO[0].any(1).all():
        return gradient
    reached = left_BTO.any(2).any(0).nonzero().flatten()
    if len(reached) == left_BTO.shape[1]:
        return gradient
    return Outer(left_BTO.index_select(1, reached), gradient.right_BTK.index_select(1, reached))
