"""Parameters that a module may be given once for each row it is called with, so that autograd keeps rows apart by itself.

Tokens, position embeddings, factors and biases are used by broadcasting: with one copy a row the module computes the same, and
the gradient of the copies is the gradient of every row, at the price of the operation they stand in. What a module does with a
parameter is not known; so forms are tried, on a few examples: the first row's outputs must stay what they are while all other
rows are given other values, and the gradients are proven afterwards as those of every other way are (``coverage``).
"""

# Axes: C channels.

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from grasp_psonet.influence.gradients.backward_pass import LossOf, expanded, loss_with
from grasp_psonet.influence.gradients.batch_norm import exact_batch_norm
from grasp_psonet.influence.gradients.local_vjp import num_rows, tensors_in
from grasp_psonet.influence.gradients.sites import Site

CLOSE = 1e-4  # of an output, relative: another form changes it altogether, or has no shape that fits


def with_expansions(network: nn.Module, loss_of: LossOf, sites: Sequence[Site]) -> list[Site]:
    """The sites, those that are to be run again without the parameters for which a form was found; these by themselves."""
    modules = dict(network.named_modules(remove_duplicate=False))
    rerun = {site.module: site for site in sites if site.is_rerun}
    found: dict[str, dict[str, tuple[int, ...]]] = {name: {} for name in rerun}
    seen: set[str] = set()
    values = {name: parameter.detach() for name, parameter in network.named_parameters()}
    with ExitStack() as hooks, torch.no_grad(), exact_batch_norm(network):
        for name, site in rerun.items():

            def try_once(
                module: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name, site: Site = site
            ) -> None:
                if name not in seen:  # nor while it is tried
                    seen.add(name)
                    found[name] = _forms(module, site, (args, kwargs), tensors_in(output))

            handle = modules[name].register_forward_hook(try_once, with_kwargs=True)
            hooks.callback(handle.remove)
        if rerun:
            loss_with(network, loss_of, values)
    return [one for site in sites for one in _split(site, found.get(site.module, {}) if site.is_rerun else {})]


def candidates(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Forms in which a parameter of this shape may be used, the likelier first."""
    if len(shape) > 1 and shape[0] == 1:
        yield tuple(shape[1:])  # tokens and position embeddings, [1, T, C]
    elif len(shape) == 1:
        yield (1, shape[0])  # channels last, of [B, T, C]
        yield (1, 1, shape[0])  # of [B, H, W, C]
    elif shape:
        yield tuple(shape)  # a factor for each head, [heads, 1, 1]; per channel, [C, 1, 1]


def _forms(
    module: nn.Module, site: Site, arguments: tuple[Any, Any], outputs: Sequence[Tensor]
) -> dict[str, tuple[int, ...]]:
    """The form of each parameter of the site in which every row has a copy of its own."""
    rows = num_rows(arguments)
    if not rows:
        return {}
    found = {}
    for local in site.parameters:
        if "." in local:
            continue
        parameter = module._parameters[local]
        assert parameter is not None
        for form in candidates(parameter.shape):
            own = expanded(parameter, form, rows).clone()
            own[1:] += 1
            if _keeps_first_row(module, {local: own}, arguments, outputs):
                found[local] = form
                break
    return found


def _keeps_first_row(
    module: nn.Module, own: Mapping[str, Tensor], arguments: tuple[Any, Any], outputs: Sequence[Tensor]
) -> bool:
    (args, kwargs), rows = arguments, num_rows(arguments)
    held: dict[str, Any] = module._parameters
    shared = {local: held[local] for local in own}
    try:
        held.update(own)
        ours = tensors_in(module(*args, **kwargs))
    except torch.OutOfMemoryError:
        raise
    except Exception:  # whatever a module raises for a shape it was not made for
        return False
    finally:
        held.update(shared)
    if [value.shape for value in ours] != [value.shape for value in outputs]:
        return False
    firsts = [len(value) // rows if value.ndim else 0 for value in ours]
    return all(firsts) and all(
        torch.allclose(a[:first], b[:first], rtol=CLOSE, atol=CLOSE)
        for a, b, first in zip(ours, outputs, firsts, strict=True)
    )


def _split(site: Site, forms: Mapping[str, tuple[int, ...]]) -> list[Site]:
    rest = {local: name for local, name in site.parameters.items() if local not in forms}
    own = {local: site.parameters[local] for local in forms}
    split = [replace(site, parameters=rest)] if rest else []
    return [*split, replace(site, parameters=own, forms=forms)] if own else split
