"""Derivatives of a function along many directions at once, forward mode."""

# Axes: Q directions.

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from grasp_psonet.errors import TraceError

DIRECTIONS_AT_ONCE = 8  # tangents of all activations are held for this many directions at a time


def along(function: Callable[..., Tensor], at: tuple[object, ...], directions: tuple[object, ...]) -> Tensor:
    """Derivatives [Q, ...] of ``function(*at)`` along each direction; ``directions`` are as ``at``, stacked [Q, ...].

    The fused attention kernels have no forward-mode rule and are off meanwhile. Raises TraceError, with torch's reason,
    where another layer has none.
    """
    if not next(len(leaf) for leaf in pytree.tree_leaves(directions)):
        with torch.no_grad():
            value = function(*at)
        return value.new_zeros(0, *value.shape)

    def along_one(direction: tuple[object, ...]) -> Tensor:
        derivative: Tensor = torch.func.jvp(function, at, direction)[1]
        return derivative

    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        # torch's own: the first use of forward mode scripts a few formulas; one way through average pooling is a loop
        warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
        warnings.filterwarnings("ignore", message="There is a performance drop because we have not yet implemented")
        try:
            derivative_Q: Tensor = torch.vmap(along_one, chunk_size=DIRECTIONS_AT_ONCE)(directions)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, NotImplementedError) as fault:
            raise TraceError(
                f"unit edit needs forward-mode derivatives, which this network does not give: {str(fault).splitlines()[0]}\n"
                "  next: unit share, visit or single"
            ) from fault
    return derivative_Q
