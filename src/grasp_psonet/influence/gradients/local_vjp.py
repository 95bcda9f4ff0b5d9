"""The slower exact path: run one module again and differentiate it for each example by itself.

Exact for any module that treats examples independently, whatever it does with its parameters; a module that draws at
random is refused.

Axes: B examples, S rows of one example.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from grasp_psonet.errors import TraceError

log = logging.getLogger("grasp_psonet")


def local_vjp(
    module: nn.Module,
    parameters: Mapping[str, Tensor],
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    deltas: Sequence[Tensor | None],
    num_examples: int,
) -> dict[str, Tensor]:
    """Gradient [B, *shape] of each named parameter of ``module``, from its inputs and the gradients of its outputs.

    ``arguments`` are the (args, kwargs) the module was called with: tensors with as many rows as the first one are
    split into examples, everything else is shared. ``deltas`` are aligned with the tensors among the outputs; None
    where an output did not reach the loss.
    """
    leaves, structure = pytree.tree_flatten(arguments)
    rows = num_rows(arguments)
    if not rows:
        return _of_constant(module, parameters, arguments, deltas, num_examples)
    if rows % num_examples:
        raise TraceError(
            f"module {type(module).__name__} was called with {rows} rows for {num_examples} examples; its parameters "
            f"{sorted(parameters)} cannot be told apart by example"
        )
    split = [
        index for index, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.ndim and leaf.shape[0] == rows
    ]
    reached = [index for index, delta in enumerate(deltas) if delta is not None]
    values = {name: parameter.detach() for name, parameter in parameters.items()}

    def gradients_of_one(inputs: list[Tensor], output_deltas: list[Tensor]) -> dict[str, Tensor]:
        own = list(leaves)
        for index, value in zip(split, inputs, strict=True):
            own[index] = value
        args, kwargs = pytree.tree_unflatten(own, structure)

        def outputs(values: dict[str, Tensor]) -> list[Tensor]:
            found = tensors_in(called_with(module, values, args, kwargs))
            return [found[index] for index in reached]

        pull = torch.func.vjp(outputs, values)[1]
        gradients: dict[str, Tensor] = pull(output_deltas)[0]
        return gradients

    inputs_BS = [leaves[index].reshape(num_examples, -1, *leaves[index].shape[1:]) for index in split]
    deltas_BS = [delta.reshape(num_examples, -1, *delta.shape[1:]) for delta in deltas if delta is not None]
    device = next(iter(values.values())).device
    rng = _chance_state(device)
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the fused attention kernels have no batching rule
            return torch.vmap(gradients_of_one, randomness="error")(inputs_BS, deltas_BS)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as fault:
        log.debug("local gradient of %s: one example at a time (%s)", type(module).__name__, fault)
    each = [gradients_of_one([x[b] for x in inputs_BS], [d[b] for d in deltas_BS]) for b in range(num_examples)]
    if not torch.equal(rng, _chance_state(device)):
        raise TraceError(f"{type(module).__name__} draws anew (dropout) when it is run again; trace it in eval mode")
    return {name: torch.stack([gradients[name] for gradients in each]) for name in values}


def _of_constant(
    module: nn.Module,
    parameters: Mapping[str, Tensor],
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    deltas: Sequence[Tensor | None],
    num_examples: int,
) -> dict[str, Tensor]:
    """The same for a module that is given no tensor: what it makes of its parameters alone, a copy for each row."""
    reached = [index for index, delta in enumerate(deltas) if delta is not None]
    given = [deltas[index] for index in reached]
    if any(delta is None or not delta.ndim or len(delta) % num_examples for delta in given):
        raise TraceError(
            f"module {type(module).__name__} was called with no tensor and returned no rows for {num_examples} examples; its "
            f"parameters {sorted(parameters)} cannot be told apart by example"
        )

    def outputs(values: dict[str, Tensor]) -> list[Tensor]:
        found = tensors_in(called_with(module, values, *arguments))
        return [found[index] for index in reached]

    pull = torch.func.vjp(outputs, {name: parameter.detach() for name, parameter in parameters.items()})[1]
    each = []
    for b in range(num_examples):
        own = [delta for delta in given if delta is not None]
        is_own = [torch.arange(len(delta), device=delta.device) // (len(delta) // num_examples) == b for delta in own]
        each.append(
            pull([torch.einsum("r,r...->r...", here.to(d.dtype), d) for here, d in zip(is_own, own, strict=True)])[0]
        )
    return {name: torch.stack([gradients[name] for gradients in each]) for name in parameters}


def called_with(
    module: nn.Module, values: Mapping[str, Tensor], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> Any:
    """What the module returns with these values in place of the parameters named.

    Every module that holds one of them is given it once: ``torch.func.functional_call``, told both names of a module that has
    two, would leave the value in it.
    """
    value_of = {id(module.get_parameter(name)): value for name, value in values.items()}
    held = {
        f"{name}.{local}" if name else local: value_of[id(parameter)]
        for name, holder in module.named_modules()
        for local, parameter in holder._parameters.items()
        if parameter is not None and id(parameter) in value_of
    }
    return torch.func.functional_call(module, held, args, kwargs, tie_weights=False)


def num_rows(arguments: Any) -> int:
    """Rows of the first tensor that has any."""
    return next((leaf.shape[0] for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, Tensor) and leaf.ndim), 0)


def _chance_state(device: torch.device) -> Tensor:
    """State of the generator that dropout on this device draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in a nested value, in a fixed order."""
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor)]
