"""Networks in which the photos of a batch meet: found before anything is traced, with the module that lets them."""

# Axes: B examples of a batch.

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError


def refuse_batch_statistics(network: nn.Module) -> None:
    """Raises TraceError naming the BatchNorm layers that would use the statistics of the batch."""
    mixing = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.training or module.running_mean is None)
    ]
    if mixing:
        raise TraceError(
            f"BatchNorm in training mode mixes the photos of a batch: {', '.join(mixing)}; "
            "trace with frozen statistics (network.eval())"
        )


def refuse_kept_tensors(network: nn.Module, names: Collection[str]) -> None:
    """Raises TraceError where a module in evaluation mode keeps what it computed from one of these parameters (the attention
    biases of LeViT, EfficientFormer, EfficientViT of MSRA and TinyViT in timm): other weights would not be seen, and a gradient
    would be that of the first pass, or none.
    """
    keeping = [
        name
        for name, module in network.named_modules()
        if not module.training
        and any(key.endswith("_cache") and isinstance(value, dict) for key, value in vars(module).items())
        and any(f"{name}.{local}" in names for local, _ in module.named_parameters(recurse=False))
    ]
    if keeping:
        raise TraceError(
            f"module {keeping[0]}, of {len(keeping)}, keeps what it computed from its parameters at its first pass "
            "in evaluation mode: a gradient for them is not to be had\n"
            "  next: leave their parameters out of training and trace, or use another encoder"
        )


def refuse_coupling(network: nn.Module, losses_of: Callable[[nn.Module, Tensor], Tensor], batch_B: Tensor) -> None:
    """Raises TraceError where an example's loss depends on another example of its batch, naming the first such module.

    The last example is changed; the losses of all others must stay as they are (up to rounding).
    ``losses_of(network, batch_B)`` returns [B].
    """
    refuse_batch_statistics(network)
    changed_B = batch_B.clone()
    changed_B[-1] = batch_B[-1].flip(-1) * 0.5 + 0.25
    first, before = _losses_and_calls(network, losses_of, batch_B)
    second, after = _losses_and_calls(network, losses_of, changed_B)
    if _same(first[:-1], second[:-1]):
        return
    advice = "\n  next: use layers that keep photos apart, as LayerNorm and GroupNorm do"
    for one, two in zip(before, after, strict=True):
        if _same(_others(one.output, batch_B), _others(two.output, batch_B)):
            continue
        has_input = one.input is not None and two.input is not None
        if has_input and not _same(_others(one.input, batch_B), _others(two.input, batch_B)):
            raise TraceError(
                f"{type(network).__name__} mixes the photos of a batch before its module {one.module}: changing one photo "
                f"changed what others bring there{advice}"
            )
        raise TraceError(
            f"module {one.module} mixes the photos of a batch: changing one photo changed others' activations{advice}"
        )
    raise TraceError(
        f"changing one photo changed the losses of others of its batch; no single module was found guilty{advice}"
    )


@dataclass(frozen=True)
class _Call:
    """What went into a module and came out of it, where rows belong to examples."""

    module: str
    input: Tensor | None
    output: Tensor


def _losses_and_calls(
    network: nn.Module, losses_of: Callable[[nn.Module, Tensor], Tensor], batch_B: Tensor
) -> tuple[Tensor, list[_Call]]:
    calls: list[_Call] = []

    def has_rows(value: object) -> bool:
        return isinstance(value, Tensor) and value.ndim > 0 and len(value) % len(batch_B) == 0

    def keep(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def hook(_: nn.Module, given: tuple[object, ...], output: object) -> None:
            if isinstance(output, Tensor) and has_rows(output):
                first = given[0] if given and has_rows(given[0]) else None
                before = first.detach().clone() if isinstance(first, Tensor) else None
                calls.append(_Call(name, before, output.detach().clone()))

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in network.named_modules() if name]
    try:
        with torch.no_grad():
            return losses_of(network, batch_B), calls
    finally:
        for handle in handles:
            handle.remove()


def _others(rows: Tensor | None, batch_B: Tensor) -> Tensor:
    """The rows of all examples but the last."""
    assert rows is not None
    return rows[: len(rows) - len(rows) // len(batch_B)]


def _same(one: Tensor, two: Tensor) -> bool:
    size = float(one.abs().max()) if one.numel() else 0.0
    return torch.allclose(one, two, rtol=0.0, atol=1e-4 * size + 1e-12)
