"""Which rule covers which parameter, proven on a few examples before anything is traced."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.backward_pass import LossModule, LossOf, NoExactWayError, backward_pass
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics
from grasp_psonet.influence.gradients.rules import Gradient, Outer
from grasp_psonet.influence.gradients.sites import Site, local_site, sites_of

TOLERANCE = (
    1e-2  # of a parameter's largest gradient: a wrong rule is off by its whole size, rounding (also TF32) is not
)
ROUNDINGS = 10  # of the network's largest gradient: gradients below this many roundings may be 0 in truth


@dataclass(frozen=True)
class Coverage:
    """The parameters a trace looks at and where each one's gradient is taken; made by ``cover``.

    It names modules and parameters only: it serves every copy of the network and every anchor loaded into it.
    """

    names: frozenset[str]
    sites: tuple[Site, ...]
    unused: frozenset[str]
    numel: Mapping[str, int]

    @property
    def numel_by_rule(self) -> dict[str, int]:
        """Numbers of scalar parameters by rule; ``unused`` ones reach no loss and have gradient 0."""
        counts: Counter[str] = Counter()
        rule_of = {name: site.rule_name for site in self.sites for name in site.parameters.values()}
        for name in sorted(self.names):
            counts["unused" if name in self.unused else rule_of[name]] += self.numel[name]
        return dict(counts)

    def __str__(self) -> str:
        total = sum(self.numel.values())
        rules = ", ".join(f"{rule} {count:,}" for rule, count in sorted(self.numel_by_rule.items()))
        return f"{total:,} of {total:,} parameters ({rules})"


def cover(
    network: nn.Module, loss_of: LossOf, names: Collection[str] | None = None, *, num_examples: int | None = None
) -> Coverage:
    """Finds a rule for each named parameter (default: all) and proves it on a small batch against autograd.

    ``loss_of`` is that of ``products`` on two or three examples; with one example, rows of different examples that
    change places would go unseen. Each example's loss is differentiated by itself, and each parameter's gradient
    compared. A parameter for which its rule is wrong (it is used outside its own module, or by a subclass that computes
    something else) goes through the slower path of the smallest module around it for which that path is right.
    Where examples are not the losses (``num_examples`` given), the sums over examples are compared.

    Raises TraceError naming every parameter for which no way is exact, as happens where layers mix examples. A
    parameter whose gradient is 0 for all of these examples passes unproven, but never unseen.
    """
    refuse_batch_statistics(network)
    parameters = dict(network.named_parameters())
    wanted = set(parameters if names is None else names)
    unknown = sorted(wanted - parameters.keys())
    if unknown:
        raise TraceError(
            f"no parameters named {unknown}; a tied parameter goes by its first name in named_parameters()"
        )
    truth = _gradients_of_each(network, loss_of, {name: parameters[name] for name in sorted(wanted)}, num_examples)
    unused = frozenset(name for name, gradient in truth.items() if gradient is None)
    sites = sites_of(network, wanted - unused)
    holders = _holders(network)
    ways = {name: _ways_around(holders[parameters[name]]) for name in sorted(wanted - unused)}
    for site in sites:
        if site.rule is None:
            for name in site.parameters.values():
                ways[name] = [way for way in ways[name] if way != site.module]
    while wrong := _wrong_parameters(network, loss_of, sites, truth, num_examples):
        stuck = [name for name in wrong if not ways[name]]
        if stuck:
            raise TraceError(
                f"no exact per-example gradient for {', '.join(stuck)}: used outside the network's forward, or behind a "
                "layer that mixes examples; leave it out of the traced parameters, or use an encoder that keeps photos apart"
            )
        sites = _moved(sites, {name: ways[name].pop(0) for name in wrong})
    return Coverage(
        frozenset(wanted), tuple(sites), unused, {name: parameters[name].numel() for name in sorted(wanted)}
    )


class _Gradients:
    """A sink that keeps every gradient whole; for a few examples only."""

    def __init__(self) -> None:
        self.of: dict[str, Tensor] = {}

    def expect(self, name: str) -> None:
        pass

    def add(self, name: str, gradient: Gradient) -> None:
        dense = (gradient.dense() if isinstance(gradient, Outer) else gradient).flatten(1)
        self.of[name] = self.of[name] + dense if name in self.of else dense


def _gradients_of_each(
    network: nn.Module, loss_of: LossOf, parameters: Mapping[str, Tensor], num_examples: int | None
) -> dict[str, Tensor | None]:
    """Gradients [B, W] (or [1, W], summed, where examples are not the losses) by autograd; None where unused."""
    leaves = {f"network.{name}": p.detach().requires_grad_() for name, p in parameters.items()}
    with torch.enable_grad():
        loss_B = torch.func.functional_call(LossModule(network, loss_of), leaves, ())
        terms = list(loss_B) if num_examples is None else [loss_B.sum()]
        rows = [
            torch.autograd.grad(
                term, list(leaves.values()), retain_graph=True, allow_unused=True, materialize_grads=False
            )
            for term in terms
        ]
    columns = zip(*rows, strict=True)
    return {
        name: None
        if all(gradient is None for gradient in column)
        else torch.stack(
            [torch.zeros_like(p).flatten() if gradient is None else gradient.flatten() for gradient in column]
        )
        for (name, p), column in zip(parameters.items(), columns, strict=True)
    }


def _holders(network: nn.Module) -> dict[nn.Parameter, list[list[str]]]:
    """The modules that hold each parameter itself, each by the parts of its name; a module with two names stands twice."""
    holders: dict[nn.Parameter, list[list[str]]] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        for parameter in module.parameters(recurse=False):
            holders.setdefault(parameter, []).append(name.split(".") if name else [])
    return holders


def _ways_around(holders: list[list[str]]) -> list[str]:
    """The modules around every holder of a parameter, from the innermost to the network itself ("")."""
    levels = zip(*holders, strict=False)
    depth = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    return [".".join(holders[0][:length]) for length in range(depth, -1, -1)]


def _moved(sites: Sequence[Site], ways: Mapping[str, str]) -> list[Site]:
    """The sites with some parameters taken out of theirs and given to the slower path of the module named for each."""
    around: dict[str, dict[str, str]] = {}
    stay: list[Site] = []
    for site in sites:
        kept = {local: name for local, name in site.parameters.items() if name not in ways}
        if site.rule is None:
            around.setdefault(site.module, {}).update(kept)
        elif kept:
            stay.append(replace(site, parameters=kept))
    for name, way in ways.items():
        around.setdefault(way, {})[name[len(way) + 1 :] if way else name] = name
    return stay + [local_site(way, held) for way, held in around.items() if held]


def _wrong_parameters(
    network: nn.Module,
    loss_of: LossOf,
    sites: Sequence[Site],
    truth: Mapping[str, Tensor | None],
    num_examples: int | None,
) -> list[str]:
    found = _Gradients()
    try:
        backward_pass(network, loss_of, sites, found, num_examples)
    except NoExactWayError as fault:
        return sorted(fault.names)
    used = {name: gradient for name, gradient in truth.items() if gradient is not None}
    floor = max((ROUNDINGS * torch.finfo(g.dtype).eps * float(g.abs().max()) for g in used.values()), default=0.0)
    wrong = []
    for name, gradient in used.items():
        ours = found.of.get(name)
        if ours is None:
            wrong.append(name)
            continue
        ours = ours if num_examples is None else ours.sum(0, keepdim=True)
        gap = float((ours - gradient).abs().max()) if ours.shape == gradient.shape else torch.inf
        if not gap <= max(TOLERANCE * float(gradient.abs().max()), floor):
            wrong.append(name)
    return wrong
