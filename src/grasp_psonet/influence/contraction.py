"""Multiplying per-example gradients with directions, layer by layer, and forgetting them.

Axes: B examples, T positions, O outputs, K inputs, Q directions, M metrics, P parameters of a layer.
"""

from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from grasp_psonet.influence.rules import Gradient, Outer

CPU_BLOCK_BYTES = 2 * 2**20  # a materialised gradient is formed and used in blocks of this size, in one workspace
DEVICE_BLOCK_BYTES = 256 * 2**20  # elsewhere than on a CPU: few large products instead of many that fit its cache
ROUND_TRIP = 8  # cost of writing and reading one materialised number, in multiply-adds


class Sums:
    """Products of per-example gradients, summed over the parameters seen so far (a sink of ``sweep``).

    A parameter used several times in one forward pass has one gradient, the sum over its uses; squares and Gram
    matrices wait until that sum is whole.
    """

    def __init__(self, directions: Mapping[str, Tensor], metrics: Mapping[str, Tensor], wants_gram: bool) -> None:
        self.directions, self.metrics, self.wants_gram = directions, metrics, wants_gram
        self.num_directions = next((len(value) for value in directions.values()), 0)
        self.num_metrics = next((len(value) for value in metrics.values()), 0)
        self.dot_QB: Tensor | None = None
        self.squared_BM: Tensor | None = None
        self.gram_MBB: Tensor | None = None
        self._open_uses: Counter[str] = Counter()
        self._partial: dict[str, Tensor] = {}
        self._is_shared: set[str] = set()
        self._workspace: Tensor | None = None

    def expect(self, name: str) -> None:
        """The forward pass has used this parameter once more."""
        self._open_uses[name] += 1
        if self._open_uses[name] > 1:
            self._is_shared.add(name)

    def add(self, name: str, gradient: Gradient) -> None:
        """Takes the gradient of one use of a parameter."""
        self._open_uses[name] -= 1
        if name not in self._is_shared or not self.num_metrics:
            self._take(name, gradient)
            return
        dense = gradient.dense() if isinstance(gradient, Outer) else gradient
        dense = dense.flatten(1)
        self._partial[name] = self._partial[name] + dense if name in self._partial else dense
        if not self._open_uses[name]:
            self._take(name, self._partial.pop(name))

    def finish(self) -> None:
        """Takes what waited for a use that never reached the loss."""
        for name in list(self._partial):
            self._take(name, self._partial.pop(name))

    def _take(self, name: str, gradient: Gradient) -> None:
        if not isinstance(gradient, Outer):
            self._take_dense(name, gradient.reshape(len(gradient), -1), slice(None))
            return
        num_examples, num_positions, num_outputs = gradient.left_BTO.shape
        num_inputs = gradient.right_BTK.shape[2]
        if not self.num_metrics and self._is_cheaper_contracted(num_positions):
            self._take_contracted(name, gradient)
            return
        num_bytes = num_examples * num_inputs * gradient.left_BTO.element_size()  # of one row of the gradient
        block_bytes = CPU_BLOCK_BYTES if gradient.left_BTO.device.type == "cpu" else DEVICE_BLOCK_BYTES
        rows = max(1, min(num_outputs, block_bytes // max(1, num_bytes)))
        workspace = self._room(num_examples * rows * num_inputs, gradient.left_BTO)
        for start in range(0, num_outputs, rows):
            left_BOT = gradient.left_BTO[:, :, start : start + rows].transpose(1, 2)
            num_rows = left_BOT.shape[1]
            block_BOK = workspace[: num_examples * num_rows * num_inputs].view(num_examples, num_rows, num_inputs)
            torch.bmm(left_BOT, gradient.right_BTK, out=block_BOK)
            part = slice(start * num_inputs, (start + num_rows) * num_inputs)
            self._take_dense(name, block_BOK.view(num_examples, -1), part)

    def _room(self, num_scalars: int, like: Tensor) -> Tensor:
        """Scratch memory that is used again for every block: fresh pages cost more than the products formed in them."""
        if self._workspace is None or len(self._workspace) < num_scalars:
            self._workspace = like.new_empty(num_scalars)
        return self._workspace

    def _is_cheaper_contracted(self, num_positions: int) -> bool:
        """Multiply-adds per example and weight: T for the gradient and Q for its products, or Q T without it."""
        return self.num_directions * num_positions <= num_positions + self.num_directions + ROUND_TRIP

    def _take_contracted(self, name: str, gradient: Outer) -> None:
        for q, direction in enumerate(self.directions[name]):
            image_BTO = gradient.right_BTK @ direction.reshape(gradient.left_BTO.shape[2], -1).T
            self._dot(gradient.left_BTO)[q] += (image_BTO * gradient.left_BTO).sum((1, 2))

    def _take_dense(self, name: str, gradient_BP: Tensor, part: slice) -> None:
        if self.num_directions:
            self._dot(gradient_BP).addmm_(self.directions[name].flatten(1)[:, part], gradient_BP.T)
        if not self.num_metrics:
            return
        metric_MP = self.metrics[name].flatten(1)[:, part]
        if not self.wants_gram:
            self._squared(gradient_BP).addmm_(gradient_BP.square(), metric_MP.T)
            return
        for m, metric_P in enumerate(metric_MP):
            gram_BB = (gradient_BP * metric_P) @ gradient_BP.T
            self._gram(gradient_BP)[m] += gram_BB

    def _dot(self, like: Tensor) -> Tensor:
        if self.dot_QB is None:
            self.dot_QB = like.new_zeros(self.num_directions, len(like))
        return self.dot_QB

    def _squared(self, like: Tensor) -> Tensor:
        if self.squared_BM is None:
            self.squared_BM = like.new_zeros(len(like), self.num_metrics)
        return self.squared_BM

    def _gram(self, like: Tensor) -> Tensor:
        if self.gram_MBB is None:
            self.gram_MBB = like.new_zeros(self.num_metrics, len(like), len(like))
        return self.gram_MBB
