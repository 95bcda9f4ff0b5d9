"""The plain slow judge of projected gradients: every gradient formed whole, times one matrix for all its numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from grasp_psonet.chance import generator


def signs(seed: int, name: str, side: str, num_kept: int, numel: int) -> Tensor:
    """The matrix of one side [kept, numel] float64; the identity where all is kept."""
    if num_kept == numel:
        return torch.eye(numel, dtype=torch.float64)
    drawn = generator("projection", seed, name, side).integers(0, 2, (num_kept, numel), dtype="int8")
    return (2.0 * torch.tensor(drawn, dtype=torch.float64) - 1) / num_kept**0.5


def matrix(seed: int, name: str, shape: Sequence[int], kept: tuple[int, int]) -> Tensor:
    """The matrix [o * k, numel] that projects the flattened gradient of a parameter."""
    numel = torch.Size(shape).numel()
    num_left = next((length for length in shape if length > 1), 1)
    left = signs(seed, name, "left", kept[0], num_left)
    right = signs(seed, name, "right", kept[1], numel // num_left)
    return torch.kron(left, right)


def dots(gradients: Sequence[Tensor], directions: Sequence[Tensor], matrices: Sequence[Tensor]) -> Tensor:
    """[B, Q]: sum over parameters of projected gradient times projected direction."""
    terms = [
        (g.double().flatten(1) @ m.T) @ (d.double().flatten(1) @ m.T).T
        for g, d, m in zip(gradients, directions, matrices, strict=True)
    ]
    return torch.stack(terms).sum(0)
