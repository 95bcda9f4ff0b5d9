"""A network with the trajectory of its training: what tracing reads weights of, and replays where that is possible."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import TraceError
from grasp_psonet.tables.columns import LR, VISIT_ID
from grasp_psonet.trajectory.adam import optimizer_step
from grasp_psonet.trajectory.anchors import Anchor, copy_weights, load_weights, weights_of
from grasp_psonet.trajectory.records import rates_of
from grasp_psonet.trajectory.replay import ReplayedStep, compare_with_anchor, compare_with_record
from grasp_psonet.trajectory.rule import ADAM
from grasp_psonet.trajectory.step import batch_gradient
from grasp_psonet.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class TrainedNetwork:
    """A network of the kind that was trained, the trajectory that training left, and what replays it.

    ``source`` makes the batches of training and ``start`` is the anchor before step 1; without them (None) the trajectory is
    read at its anchors and not replayed. ``tolerance``: how far a replayed loss may be from the recorded one (0: no bit).
    Whatever is read or replayed goes into the weights of ``network``, which serves as a workplace: nobody else may use it
    at the same time.
    """

    network: nn.Module
    trajectory: Trajectory
    source: BatchSource | None = None
    start: Anchor | None = None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.start is not None and self.start.step != 0:
            raise TraceError(f"the start of a replay is the anchor before step 1; seen: that of step {self.start.step}")

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def windows(self, *, beyond_kept: bool = False) -> list[tuple[int, int]]:
        """(previous anchor, anchor) steps, as ``Trajectory.windows`` gives them."""
        return self.trajectory.windows(beyond_kept=beyond_kept)

    def load(self, step: int) -> Anchor:
        """The anchor after this step; the network then holds its weights."""
        anchor = self.trajectory.read(step, self.device)
        load_weights(self.network, anchor)
        return anchor

    def refuse_without_replay(self) -> None:
        """Raises TraceError where this trajectory cannot be replayed."""
        if self.source is None or self.start is None:
            raise TraceError(
                "counting steps replays training and needs what rebuilds its batches, and its start; this trajectory has its "
                "anchors alone\n  next: count at anchors (even or checkpoints)"
            )

    @property
    def replay_source(self) -> BatchSource:
        """What makes the batches of training. Raises TraceError where none was given."""
        self.refuse_without_replay()
        assert self.source is not None
        return self.source

    def anchor_before(self, step: int) -> Anchor:
        """The anchor to replay from; before step 1 it is the start. Raises TraceError where none was given."""
        if step:
            return self.trajectory.read(step, self.device)
        self.refuse_without_replay()
        assert self.start is not None
        return self.start

    def replay(self, before: int, until: int) -> Iterator[ReplayedStep]:
        """The recorded steps after anchor ``before`` (0: the start) up to ``until``, as ``replay_from`` repeats them."""
        return self.replay_from(self.anchor_before(before), until)

    def replay_from(self, anchor: Anchor, until: int) -> Iterator[ReplayedStep]:
        """Repeats the recorded steps after the anchor up to ``until`` and yields each.

        While a step is yielded the network holds the weights before it (evaluate there what the step's gradients saw);
        after the last one it holds the weights after it. Parameters that require no gradient stand still. Raises
        ReplayMismatch at the first loss that differs from the record by more than the tolerance (0: bitwise, as on the same
        machine, versions and threads), at such a norm of the clipped gradient where the records hold it (``clipped_norm``),
        and where the last step does not end at its anchor, if it has one.
        """
        source, network, law = self.replay_source, self.network, self.trajectory.optimizer
        load_weights(network, anchor)
        weights, state = _copy(weights_of(network)), anchor.state
        for draws in self.trajectory.draws_of_steps(anchor.step, until):
            batch, lr, phase = source.batch(draws, self.device), float(draws[LR].iloc[0]), law.at(state.step + 1)
            with self.trajectory.as_run(self.device):
                gradient = batch_gradient(network, batch, phase)
            compare_with_record(gradient, draws, self.tolerance)
            after, state = _copy(weights), state.copy()
            if phase.begins_after(state.step):
                state.forget()
            remembered = None if phase.rule == ADAM else state.copy()
            rates = rates_of(draws, phase, gradient.clipped.keys())
            optimizer_step({name: after[name] for name in gradient.clipped}, gradient.clipped, state, phase, rates)
            bags = tuple(source.bags[visit_id] for visit_id in draws[VISIT_ID])
            step = ReplayedStep(state.step, lr, phase, rates, bags, batch, gradient, weights, after, state, remembered)
            if step.step == until and self.trajectory.has_anchor(until):
                compare_with_anchor(step, self.trajectory.read(until, self.device), self.tolerance)
            yield step
            copy_weights(network, after)
            weights = after


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}
