"""Which rule covers which parameter, proven on a few examples before anything is traced."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor, nn

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.autograd import gradients_of_each
from grasp_psonet.influence.gradients.backward_pass import LossOf, NoExactWayError, backward_pass
from grasp_psonet.influence.gradients.coupling import refuse_batch_statistics, refuse_kept_tensors
from grasp_psonet.influence.gradients.expansion import with_expansions
from grasp_psonet.influence.gradients.projection import Projection
from grasp_psonet.influence.gradients.rules import Gradient, Outer
from grasp_psonet.influence.gradients.sites import Site, local_site, sites_of

# of a parameter's largest gradient: a wrong rule is off by its whole size, rounding (in float32 also TF32) is not
TOLERANCE = {torch.float64: 1e-7}
ROUGH_TOLERANCE = 1e-2  # in any other precision
ROUNDINGS = 10  # of the network's largest gradient: gradients below this many roundings may be 0 in truth


def tolerance_of(dtype: torch.dtype) -> float:
    """How far a gradient may be from autograd's, as a part of the parameter's largest."""
    return TOLERANCE.get(dtype, ROUGH_TOLERANCE)


@dataclass
class Tally:
    """What became of the batches under a coverage: their number, and how many examples went one by one through autograd."""

    batches: int = 0
    one_by_one: int = 0


@dataclass(frozen=True)
class Coverage:
    """The parameters a trace looks at and where each one's gradient is taken; made by ``cover``.

    It names modules and parameters only: it serves every copy of the network and every anchor loaded into it.

    ``unused`` parameters reached no loss in the proof and have no site; the gradients of ``unproven`` ones, these among them,
    were 0 there. ``rows`` are those that each call of a site's module had for one example; with ``growth`` times as many
    photos in an example a call may have so many times the rows. ``floor``: below it, gradients may be 0 in truth. A batch
    that keeps to none of this is not served (``products``). With a ``projection`` gradients are projected before they are
    multiplied with directions, which are projected too.
    """

    names: frozenset[str]
    sites: tuple[Site, ...]
    unused: frozenset[str]
    numel: Mapping[str, int]
    unproven: frozenset[str] = frozenset()
    rows: tuple[tuple[Fraction, ...], ...] = ()
    floor: float = 0.0
    growth: Fraction = Fraction(1)
    projection: Projection | None = None
    tally: Tally = field(default_factory=Tally, compare=False)

    @property
    def numel_by_rule(self) -> dict[str, int]:
        """Numbers of scalar parameters by rule; ``unused``: no example of the proof had a gradient for them."""
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
    parameter whose gradient is 0 for all of these examples is not proven: ``products`` watches it in every batch.
    """
    refuse_batch_statistics(network)
    parameters = dict(network.named_parameters())
    wanted = set(parameters if names is None else names)
    unknown = sorted(wanted - parameters.keys())
    if unknown:
        raise TraceError(
            f"no parameters named {unknown}; a tied parameter goes by its first name in named_parameters()"
        )
    refuse_kept_tensors(network, wanted)
    chosen = {name: parameters[name] for name in sorted(wanted)}
    truth = gradients_of_each(network, loss_of, chosen, summed=num_examples is not None)
    unused = frozenset(name for name, gradient in truth.items() if gradient is None)
    sites = with_expansions(network, loss_of, sites_of(network, wanted - unused))
    holders = _holders(network)
    ways = {name: _ways_around(holders[parameters[name]]) for name in sorted(wanted - unused)}
    for site in sites:
        if site.is_rerun:
            for name in site.parameters.values():
                ways[name] = [way for way in ways[name] if way != site.module]
    proof = _prove(network, loss_of, sites, truth, num_examples)
    while proof.wrong:
        stuck = [name for name in proof.wrong if not ways[name]]
        if stuck:
            raise TraceError(
                f"no exact per-example gradient for {', '.join(stuck)}: used outside the network's forward, or behind a "
                "layer that mixes examples; leave it out of the traced parameters, or use an encoder that keeps photos apart"
            )
        sites = _moved(sites, {name: ways[name].pop(0) for name in proof.wrong})
        proof = _prove(network, loss_of, sites, truth, num_examples)
    return Coverage(
        frozenset(wanted),
        tuple(sites),
        unused,
        {name: weight.numel() for name, weight in chosen.items()},
        frozenset(name for name, gradient in truth.items() if gradient is None or not gradient.any()),
        proof.rows,
        _floor(truth),
    )


class _Gradients:
    """A sink that keeps every gradient whole; for a few examples only."""

    def __init__(self) -> None:
        self.of: dict[str, Tensor] = {}

    def expect(self, name: str) -> None:
        pass

    def add(self, name: str, gradient: Gradient) -> None:
        dense = gradient.dense() if isinstance(gradient, Outer) else gradient
        dense = dense.reshape(len(dense), -1)
        self.of[name] = self.of[name] + dense if name in self.of else dense


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
        if site.is_rerun:
            around.setdefault(site.module, {}).update(kept)
        elif kept:
            forms = {local: form for local, form in site.forms.items() if local in kept}
            stay.append(replace(site, parameters=kept, forms=forms))
    for name, way in ways.items():
        around.setdefault(way, {})[name[len(way) + 1 :] if way else name] = name
    return stay + [local_site(way, held) for way, held in around.items() if held]


class _Proof(NamedTuple):
    """Parameters whose gradient was not autograd's, and the rows of one example in each call of each site's module."""

    wrong: list[str]
    rows: tuple[tuple[Fraction, ...], ...] = ()


def _prove(
    network: nn.Module,
    loss_of: LossOf,
    sites: Sequence[Site],
    truth: Mapping[str, Tensor | None],
    num_examples: int | None,
) -> _Proof:
    found = _Gradients()
    try:
        passed = backward_pass(network, loss_of, sites, found, num_examples)
    except NoExactWayError as fault:
        return _Proof(sorted(fault.names))
    floor = _floor(truth)
    wrong = []
    for name, gradient in truth.items():
        if gradient is None:
            continue
        ours = found.of.get(name)
        if ours is None:
            wrong.append(name)
            continue
        ours = ours if num_examples is None else ours.sum(0, keepdim=True)
        gap = float((ours - gradient).abs().max()) if ours.shape == gradient.shape else torch.inf
        if not gap <= max(tolerance_of(gradient.dtype) * float(gradient.abs().max()), floor):
            wrong.append(name)
    size = len(passed.loss_B) if num_examples is None else num_examples
    return _Proof(wrong, tuple(tuple(Fraction(rows, size) for rows in calls) for calls in passed.rows))


def _floor(truth: Mapping[str, Tensor | None]) -> float:
    """Gradients below this may be 0 in truth."""
    used = [gradient for gradient in truth.values() if gradient is not None]
    return max((ROUNDINGS * torch.finfo(g.dtype).eps * float(g.abs().max()) for g in used), default=0.0)
