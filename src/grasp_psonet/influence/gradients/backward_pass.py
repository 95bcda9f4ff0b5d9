"""One forward and one backward over a batch, handing out each layer's per-example gradients as they appear.

Nothing is left behind: hooks are removed also on error, no ``.grad`` is filled, no attribute is set. During the pass
the network runs on detached parameters, so that autograd spends nothing on their batch gradients.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients.batch_norm import exact_batch_norm
from grasp_psonet.influence.gradients.local_vjp import called_with, local_vjp, num_rows
from grasp_psonet.influence.gradients.rules import Gradient, LayerUse
from grasp_psonet.influence.gradients.sites import Site, Tap

LossOf = Callable[[nn.Module], Tensor]


class NoExactWayError(TraceError):
    """A site cannot give the gradient of its parameters ``names``."""

    def __init__(self, site: Site, fault: Exception) -> None:
        self.names = frozenset(site.parameters.values())
        super().__init__(
            f"{site.rule_name} at module {site.module or '(the network)'} cannot give the gradient of "
            f"{', '.join(sorted(self.names))}: {fault}"
        )


class Sink(Protocol):
    """Receives gradients during a backward pass."""

    def expect(self, name: str) -> None:
        """The forward pass has used this parameter once more."""

    def add(self, name: str, gradient: Gradient) -> None:
        """The gradient of one use of this parameter, for every example."""


class Passed(NamedTuple):
    """What a pass saw: the losses [B], the rows of each call of each site's module in the order of the sites, and the
    gradients of the summed loss by ``watched`` parameter (None: not reached)."""

    loss_B: Tensor
    rows: tuple[tuple[int, ...], ...]
    watched: dict[str, Tensor | None]


def backward_pass(
    network: nn.Module,
    loss_of: LossOf,
    sites: Sequence[Site],
    sink: Sink,
    num_examples: int | None,
    watched: Collection[str] = (),
) -> Passed:
    """Runs ``loss_of(network)`` and gives every site's gradients of the summed loss to the sink.

    ``num_examples`` is needed where examples are not the losses (photos of a visit); by default one loss, one example.
    Of the ``watched`` parameters autograd takes the gradient of the summed loss as well, which costs what they weigh.
    """
    modules = dict(network.named_modules(remove_duplicate=False))
    leaves = {name: p.detach().requires_grad_() for name, p in network.named_parameters() if name in watched}
    watch = _Watch(modules, sites, sink, num_examples)
    with ExitStack() as hooks, torch.enable_grad(), exact_batch_norm(network):
        watch.attach(hooks)
        loss_B = loss_with(network, loss_of, _detached(network, leaves))
        watch.is_forward = False
        if loss_B.ndim != 1:
            raise TraceError(f"losses have shape {tuple(loss_B.shape)}; wanted: one loss per example, [B]")
        watch.num_examples = loss_B.shape[0] if num_examples is None else num_examples
        inputs: list[Tensor] = [*watch.sources, *leaves.values()]
        found: tuple[Tensor | None, ...] = (None,) * len(leaves)
        if inputs and loss_B.requires_grad and loss_B.shape[0]:
            found = torch.autograd.grad(loss_B.sum(), inputs, allow_unused=True)[len(watch.sources) :]
    rows = tuple(tuple(calls) for calls in watch.rows)
    return Passed(loss_B.detach(), rows, dict(zip(leaves, found, strict=True)))


def _detached(network: nn.Module, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's parameters cut from autograd, but for the ``leaves``."""
    return {name: leaves.get(name, parameter.detach()) for name, parameter in network.named_parameters()}


def expanded(parameter: Tensor, form: tuple[int, ...], num_rows: int) -> Tensor:
    """One view of the parameter for each row, [rows, *form]."""
    return parameter.detach().reshape(1, *form).expand(num_rows, *form)


def loss_with(network: nn.Module, loss_of: LossOf, values: Mapping[str, Tensor]) -> Tensor:
    """``loss_of(network)`` with these values in place of the parameters named, wherever they are held."""
    whole = LossModule(network, loss_of)
    loss_B: Tensor = called_with(whole, {f"network.{name}": value for name, value in values.items()}, ())
    return loss_B


class LossModule(nn.Module):
    """Lets ``functional_call`` swap the network's parameters while the caller's own loss function runs."""

    def __init__(self, network: nn.Module, loss_of: LossOf) -> None:
        super().__init__()
        self.network = network
        self.loss_of = loss_of

    def forward(self) -> Tensor:
        return self.loss_of(self.network)


class _Watch:
    """The hooks of one pass and what they hold between forward and backward.

    Gradients flow back to ``sources``: the first tensors on each path that a site needs the gradient of.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], sites: Sequence[Site], sink: Sink, num_examples: int | None
    ) -> None:
        self.modules, self.sites, self.sink = modules, sites, sink
        self.num_examples = num_examples or 0
        self.sources: list[Tensor] = []
        self.rows: list[list[int]] = [[] for _ in sites]
        self.is_forward = True

    def attach(self, hooks: ExitStack) -> None:
        for site, rows in zip(self.sites, self.rows, strict=True):
            make = self._local_hooks if site.is_rerun else self._expanding_hooks if site.forms else self._rule_hooks
            for handle in make(site, rows):
                hooks.callback(handle.remove)

    def _expanding_hooks(self, site: Site, rows: list[int]) -> list[RemovableHandle]:
        module = self.modules[site.module]
        held: dict[str, Any] = module._parameters
        shared: list[dict[str, Any]] = []

        def give_each_its_own(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if not self.is_forward:
                return
            self._expect(site)
            rows.append(num_rows((args, kwargs)))
            shared.append({local: held[local] for local in site.forms})
            for local, form in site.forms.items():
                own = self._source(expanded(shared[-1][local], form, rows[-1]))
                torch.autograd.graph.register_multi_grad_hook([own], partial(self._apply_expanded, site, local))
                held[local] = own

        def give_back(*_: Any) -> None:
            if self.is_forward and shared:
                held.update(shared.pop())

        return [
            module.register_forward_pre_hook(give_each_its_own, with_kwargs=True),
            module.register_forward_hook(give_back, always_call=True),
        ]

    def _rule_hooks(self, site: Site, rows: list[int]) -> list[RemovableHandle]:
        taken: list[tuple[Tensor, int]] = []

        def take(value: Tensor) -> None:
            taken.append((value.detach(), value._version))

        def watch(value: Tensor) -> Tensor:
            self._expect(site)
            rows.append(len(value) if value.ndim else 0)
            held = [taken.pop()] if site.activation is not None else []
            joined = value if value.requires_grad else self._source(value)
            joined.register_hook(lambda delta: self._apply(site, held, delta))  # type: ignore[no-untyped-call]
            return joined

        first = [self._at(site.activation, take)] if site.activation is not None else []
        return [*first, self._at(site.delta, watch)]

    def _at(self, tap: Tap, act: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Lets ``act`` see, and replace, the tensor at a tap during the forward pass."""
        module = self.modules[tap.module]

        def at_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not self.is_forward:
                return None
            if args and isinstance(args[0], Tensor):
                new = act(args[0])
                return None if new is None else ((new, *args[1:]), kwargs)
            leaves, structure = pytree.tree_flatten((args, kwargs))
            first = next(index for index, leaf in enumerate(leaves) if isinstance(leaf, Tensor))
            new = act(leaves[first])
            leaves[first] = leaves[first] if new is None else new
            return pytree.tree_unflatten(leaves, structure)

        def at_output(_: nn.Module, __: Any, output: Tensor) -> Tensor | None:
            return act(output) if self.is_forward else None

        if tap.end == "input":
            return module.register_forward_pre_hook(at_input, with_kwargs=True)
        return module.register_forward_hook(at_output)

    def _local_hooks(self, site: Site, rows: list[int]) -> list[RemovableHandle]:
        taken: list[Any] = []
        module = self.modules[site.module]

        def take_inputs(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self.is_forward:
                taken.append(pytree.tree_map_only(Tensor, lambda value: value.detach().clone(), (args, kwargs)))

        def watch_outputs(_: nn.Module, __: Any, output: Any) -> Any:
            if not self.is_forward:
                return None
            self._expect(site)
            arguments = taken.pop()
            rows.append(num_rows(arguments))
            leaves, structure = pytree.tree_flatten(output)
            at = [index for index, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
            values = self._watched([leaves[i] for i in at], lambda deltas: self._apply_local(site, arguments, deltas))
            for index, value in zip(at, values, strict=True):
                leaves[index] = value
            return pytree.tree_unflatten(leaves, structure)

        return [
            module.register_forward_pre_hook(take_inputs, with_kwargs=True),
            module.register_forward_hook(watch_outputs),
        ]

    def _expect(self, site: Site) -> None:
        for name in site.parameters.values():
            self.sink.expect(name)

    def _watched(self, values: list[Tensor], act: Callable[[Sequence[Tensor | None]], None]) -> list[Tensor]:
        """The same values, made differentiable where they are not, with ``act`` called once on all their gradients."""
        joined = [
            self._source(value) if value.is_floating_point() and not value.requires_grad else value for value in values
        ]
        at = [index for index, value in enumerate(joined) if value.requires_grad]

        num_values = len(joined)  # the closure must not hold the tensors: their graph holds the closure

        def act_on_all(deltas: Sequence[Tensor | None]) -> None:
            aligned: list[Tensor | None] = [None] * num_values
            for index, delta in zip(at, deltas, strict=True):
                aligned[index] = delta
            act(aligned)

        if len(at) == 1:
            joined[at[0]].register_hook(lambda delta: act_on_all([delta]))  # type: ignore[no-untyped-call]
        elif at:
            torch.autograd.graph.register_multi_grad_hook([joined[index] for index in at], act_on_all)
        return joined

    def _source(self, value: Tensor) -> Tensor:
        source = value.detach().requires_grad_()
        self.sources.append(source)
        return source.clone()

    @torch.no_grad()
    def _apply_expanded(self, site: Site, local: str, deltas: Sequence[Tensor | None]) -> None:
        shape, delta = self.modules[site.module].get_parameter(local).shape, deltas[0]
        assert delta is not None
        with _named(site):
            gradient = delta.reshape(self.num_examples, -1, *shape).sum(1)
        self.sink.add(site.parameters[local], gradient)

    @torch.no_grad()
    def _apply_local(self, site: Site, arguments: Any, deltas: Sequence[Tensor | None]) -> None:
        module = self.modules[site.module]
        parameters = {local: module.get_parameter(local) for local in site.parameters}
        with _named(site):
            gradients = local_vjp(module, parameters, arguments, deltas, self.num_examples)
        for local, gradient in gradients.items():
            self.sink.add(site.parameters[local], gradient)

    @torch.no_grad()
    def _apply(self, site: Site, held: list[tuple[Tensor, int]], delta: Tensor) -> None:
        assert site.rule is not None
        value, version = held.pop() if held else (delta, delta._version)  # popped: freed as backward goes along
        with _named(site):
            if value._version != version:
                raise TraceError("its input was overwritten in place after it was used")
            gradients = site.rule(LayerUse(self.modules[site.module], value, delta, self.num_examples, site.parameters))
        for local, gradient in gradients.items():
            self.sink.add(site.parameters[local], gradient)


@contextmanager
def _named(site: Site) -> Iterator[None]:
    """Says which site failed; running out of memory is passed on as it is."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as fault:  # whatever a module raises when it is run by itself: a way further out may do
        raise NoExactWayError(site, fault) from fault
