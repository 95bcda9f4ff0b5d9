"""BatchNorm with frozen statistics on a batch of one, where torch's own backward cannot be relied on.

In torch (seen in 2.x on a CPU, float32 and float64) the backward of ``batch_norm`` in evaluation mode reads its input or the
gradient of its output in the wrong order when the batch holds one example and just one of the two lies in memory as tokens do
([B, T, C] permuted to [B, C, H, W], as XCiT has it): gradients of input, weight and bias are then those of shuffled
values. Batches of two or more are right.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode


@contextmanager
def exact_batch_norm(network: nn.Module) -> Iterator[None]:
    """While it lasts, frozen BatchNorm on a batch of one is done by plain arithmetic; nothing else changes."""
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        yield  # no price for networks that have none
        return
    with _PlainBatchNorm():
        yield


class _PlainBatchNorm(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            given = _SIGNATURE.bind(*args, **kwargs)
            given.apply_defaults()
            if _is_frozen_one(given.arguments):
                return _plain(given.arguments)
        return func(*args, **kwargs)


_SIGNATURE = inspect.signature(functional.batch_norm)


def _is_frozen_one(given: Mapping[str, Any]) -> bool:
    return not given["training"] and given["running_mean"] is not None and len(given["input"]) == 1


def _plain(given: Mapping[str, Any]) -> Tensor:
    value: Tensor = given["input"]
    shape = (1, -1) + (1,) * (value.ndim - 2)
    scale = torch.rsqrt(given["running_var"] + given["eps"])
    value = (value - given["running_mean"].view(shape)) * scale.view(shape)
    value = value if given["weight"] is None else value * given["weight"].view(shape)
    return value if given["bias"] is None else value + given["bias"].view(shape)
