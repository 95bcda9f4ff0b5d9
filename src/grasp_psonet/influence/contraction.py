"""Multiplying per-example gradients with directions, layer by layer, and forgetting them.

Axes: B examples, T positions, O outputs, K inputs, Q directions, M metrics, P parameters of a layer.
"""

from collections import Counter
from collections.abc import Mapping

from torch import Tensor

from grasp_psonet.influence.rules import Gradient, Outer

BLOCK_BYTES = 8 * 2**20  # materialised gradients are formed and used in blocks of about this size
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
        self.dot_BQ: Tensor | None = None
        self.squared_BM: Tensor | None = None
        self.gram_MBB: Tensor | None = None
        self._open_uses: Counter[str] = Counter()
        self._partial: dict[str, Tensor] = {}
        self._is_shared: set[str] = set()

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
        row_bytes = max(1, num_examples * num_inputs * gradient.left_BTO.element_size())
        rows = max(1, min(num_outputs, BLOCK_BYTES // row_bytes))
        for start in range(0, num_outputs, rows):
            block = Outer(gradient.left_BTO[:, :, start : start + rows], gradient.right_BTK).dense()
            part = slice(start * num_inputs, (start + block.shape[1]) * num_inputs)
            self._take_dense(name, block.flatten(1), part)

    def _is_cheaper_contracted(self, num_positions: int) -> bool:
        """Multiply-adds per example and weight: T for the gradient and Q for its products, or Q T without it."""
        return self.num_directions * num_positions <= num_positions + self.num_directions + ROUND_TRIP

    def _take_contracted(self, name: str, gradient: Outer) -> None:
        for q, direction in enumerate(self.directions[name]):
            image_BTO = gradient.right_BTK @ direction.reshape(gradient.left_BTO.shape[2], -1).T
            self._dot(gradient.left_BTO)[:, q] += (image_BTO * gradient.left_BTO).sum((1, 2))

    def _take_dense(self, name: str, gradient_BP: Tensor, part: slice) -> None:
        if self.num_directions:
            self._dot(gradient_BP).addmm_(gradient_BP, self.directions[name].flatten(1)[:, part].T)
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
        if self.dot_BQ is None:
            self.dot_BQ = like.new_zeros(len(like), self.num_directions)
        return self.dot_BQ

    def _squared(self, like: Tensor) -> Tensor:
        if self.squared_BM is None:
            self.squared_BM = like.new_zeros(len(like), self.num_metrics)
        return self.squared_BM

    def _gram(self, like: Tensor) -> Tensor:
        if self.gram_MBB is None:
            self.gram_MBB = like.new_zeros(self.num_metrics, len(like), len(like))
        return self.gram_MBB
