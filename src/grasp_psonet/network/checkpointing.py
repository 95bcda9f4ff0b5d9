"""Gradient checkpointing of an encoder: activations are computed again on the way back instead of kept, block by block.

It changes memory and time of a training step, and no number of it. It is on while a step's gradient is taken and off otherwise:
tracing differentiates modules by themselves, and chooses its memory by the photos of a batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from grasp_psonet.errors import NetworkError


@contextmanager
def checkpointed(network: nn.Module, is_on: bool = True) -> Iterator[None]:
    """While it lasts, the network's encoder recomputes activations if ``is_on``; a network without an encoder has none."""
    encoder = getattr(network, "encoder", None)
    if not is_on or encoder is None:
        yield
        return
    encoder.set_grad_checkpointing(True)
    try:
        yield
    finally:
        encoder.set_grad_checkpointing(False)


def refuse_without_checkpointing(encoder: nn.Module, name: str) -> None:
    """Raises NetworkError for an encoder that cannot recompute its activations."""
    try:
        with checkpointed(_Held(encoder)):
            is_on = any(vars(module).get("grad_checkpointing") for module in encoder.modules())
    except (
        AttributeError,
        AssertionError,
        NotImplementedError,
    ):  # no such method; timm asserts or raises where it cannot
        is_on = False
    if not is_on:
        raise NetworkError(
            f"machine.gradient_checkpointing is on, and {name} cannot compute its activations again\n"
            "  next: set machine.micro_batch instead, or another encoder"
        )


class _Held(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
