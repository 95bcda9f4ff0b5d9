"""Tracing any network from Python: bags as plain (photos, label) pairs, a recorded trajectory, tables of scores."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import pandas as pd
import torch
from torch import nn

from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import ReplayMismatch, TraceError
from grasp_psonet.influence.any_network.first_step import first_step_caveats
from grasp_psonet.influence.any_network.plain_bags import Bags
from grasp_psonet.influence.any_network.result_tables import change_table, score_table
from grasp_psonet.influence.any_network.trace_inputs import TraceInputs, trace_inputs
from grasp_psonet.influence.checks import PYTHON, refuse_unusable
from grasp_psonet.influence.choices import Counting, Curvature, QueryKind, UnitName
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.loss_changes import predicted_changes
from grasp_psonet.influence.tracing.request import Request
from grasp_psonet.influence.tracing.trace import Traced
from grasp_psonet.influence.tracing.trace import trace as trace_bags
from grasp_psonet.network.loss import Loss
from grasp_psonet.trajectory.any_loop.recording import read_start, with_losses
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory

log = logging.getLogger("grasp_psonet")

# The two functions below take many arguments on purpose: they are what a person calls from Python, and each argument is a
# choice with a default and a name of its own; a settings value would only hide them. They hand on values.


@contextmanager
def _ordinary_transformers() -> Iterator[None]:
    """Without the shortcut of ``nn.TransformerEncoder`` in evaluation mode, whose nested tensors nothing else can read."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@_ordinary_transformers()
def trace(
    network: nn.Module,
    trajectory: Trajectory,
    training_bags: Bags,
    queries: Bags,
    *,
    formula: FormulaName = "cosine",
    unit: UnitName = "single",
    query: QueryKind = "visit",
    counting: Counting = "checkpoints",
    curvature: Curvature = "exact",
    parameters: str | Sequence[str] = "all",
    sum_queries: bool = False,
    loss: Loss | None = None,
    projection: int | None = None,
    projection_seed: int = 0,
    replay_tolerance: float = 1e-4,
    photos_per_batch: int = 48,
    micro_batch: int | None = None,
    memory_mib: int = 4096,
) -> pd.DataFrame:
    """Scores of every training photo on every query: query_id, visit_id, photo (its place in the bag), score.

    **Positive = training on the photo lowered the query's loss (helpful); negative = harmful.** ``trajectory`` is what
    ``record`` or ``read_recording`` gave. ``network(photos, mask)`` takes photos [B, N, ...] and presence [B, N] and returns
    logits [B, classes], or [B] for two classes; padding reaches it only where a replayed step had it. ``training_bags`` and
    ``queries`` are bags in a list, or by name. A bag is (photos [N, ...], label); its id is its key, or its place in the list,
    as told to ``Recorder.draw``. Bags never drawn score exactly 0 (but see ``even``). All is taken in evaluation mode; the
    network itself is left as it is.

    ``formula``: one of docs/method.md, which names the sources. ``unit`` share and edit ask the network for its parts
    (docs/your-network.md). ``query`` photo takes queries of one photo. ``parameters``: all trained ones, ``head``, or name
    patterns. With ``sum_queries`` all queries are one, named "all". The table's ``attrs`` hold ``coverage``, which parameters
    were covered, and ``caveats``.

    ``loss(outputs, labels)`` is that of training where it was no cross-entropy: one number a bag, [B], from what the network
    returned and the bags' labels (any numbers), each bag's own. The loss of a step is its mean over the draws, and the
    queries' loss is this one too.

    ``counting``: ``checkpoints`` takes photos at each anchor, by how often their bag was drawn since the last; ``even`` as if
    all these bags had been drawn equally often, also those that never were. Both replay step 1 alone, to see whether training
    followed this loss on these photos; where not, the ``caveats`` say so. Counting ``steps`` takes those of each step at that
    step, by replaying the recording on the bags as given; formulas adam-step and unrolled (with ``curvature``) need it.
    Each replayed loss may differ from the recorded one by ``replay_tolerance``, the gradient's norm and
    the moments at each anchor by as much of themselves. ``micro_batch``: photos that one pass of a replayed step, or of its
    curvature, takes, where a whole step does not fit the memory (None: all of it; the same up to rounding).

    With a ``projection`` at most so many numbers of each parameter's gradient are kept, by random matrices that
    ``projection_seed`` names: for many queries, whose directions do not fit ``memory_mib``. Scores are then estimates; the
    ``caveats`` say how they rank beside exact ones, measured on up to 16 queries and 128 photos of the same trace.

    ``photos_per_batch`` photos are differentiated in one pass; directions of queries take at most ``memory_mib`` MiB, and more
    queries go in blocks. Neither changes a score beyond rounding.

    Raises TraceError and SettingsError for combinations without meaning, TraceError for parameters that no rule covers
    exactly and for what the recording does not hold, and ReplayMismatch where replay differs: training augmented, dropped
    out, clipped or weighted its losses in ways that the recording does not know.
    """
    settings = _settings(
        formula=formula,
        unit=unit,
        query=query,
        counting=counting,
        errors="kept",
        sum_queries=sum_queries,
        parameters=parameters if isinstance(parameters, str) else tuple(parameters),
        curvature=curvature,
        pairs="all",
        projection=projection,
        projection_seed=projection_seed,
        replay_tolerance=replay_tolerance,
        memory_mib=memory_mib,
        photos_per_batch=photos_per_batch,
    )
    PYTHON.refuse_unless(
        micro_batch is None or micro_batch >= 1, "micro_batch", micro_batch, "at least 1 photo, or None"
    )
    _refuse_without_second_moment(trajectory, formula)
    inputs = trace_inputs(network, trajectory, training_bags, queries, settings, loss)
    source = replace(inputs.source, most_at_once=micro_batch)
    caveats: tuple[str, ...] = ()
    if counting == "steps":
        trained = _replayable(inputs, source, trajectory, loss, replay_tolerance)
    else:
        trained = TrainedNetwork(inputs.network, trajectory)
        caveats = _caveats_at_anchors(inputs, source, trajectory, replay_tolerance)
    bags, visits = inputs.bags, tuple(inputs.bags.training.values())
    found = _traced(
        trained, Request(visits, bags.queries, bags.photos, (FORMULAS[formula],), settings, inputs.coverage)
    )
    table = score_table(found.by_formula[formula], found.query_ids, visits)
    table.attrs |= {"coverage": str(inputs.coverage), "caveats": [*found.caveats, *inputs.caveats, *caveats]}
    return table


@_ordinary_transformers()
def what_if(
    network: nn.Module,
    trajectory: Trajectory,
    training_bags: Bags,
    queries: Bags,
    *,
    formula: FormulaName = "adam",
    query: QueryKind = "visit",
    parameters: str | Sequence[str] = "all",
    sum_queries: bool = False,
    replay_tolerance: float = 1e-4,
    photos_per_batch: int = 48,
    memory_mib: int = 4096,
) -> pd.DataFrame:
    """How each query's loss would change, to first order, had a training bag been another in all its draws.

    One row per query and edit: query_id, visit_id, edit, photo, label, change. ``removed``: the photo left out (the last one
    of a bag: the bag not trained on); ``alone``: the bag reduced to the photo; ``relabelled``: the bag under another label.
    **Positive change = the query's loss is predicted to rise; negative = to fall.** Where an edit names no photo or no
    label, that column is missing (NA). Counted at anchors, by ``formula`` adam, sgd or paper; ``trajectory``,
    ``training_bags``, ``queries``, ``query``, ``parameters``, ``sum_queries``, ``replay_tolerance``, ``photos_per_batch`` and
    ``memory_mib`` are as in ``trace``.
    The network must offer its parts (docs/your-network.md); all edits of a bag share one pass of what lies below them.

    Raises TraceError as ``trace`` does, and for formulas whose score is no change of a loss.
    """
    if formula in FORMULAS and not FORMULAS[formula].is_loss_change_at_anchors:
        usable = [name for name, one in FORMULAS.items() if one.is_loss_change_at_anchors]
        raise TraceError(
            f"what if: formula {formula} at anchors is no change of a loss\n  next: formula {', '.join(usable)}"
        )
    settings = _settings(
        formula=formula,
        unit="edit",
        query=query,
        counting="checkpoints",
        errors="kept",
        sum_queries=sum_queries,
        parameters=parameters if isinstance(parameters, str) else tuple(parameters),
        replay_tolerance=replay_tolerance,
        memory_mib=memory_mib,
        photos_per_batch=photos_per_batch,
    )
    _refuse_without_second_moment(trajectory, formula)
    inputs = trace_inputs(network, trajectory, training_bags, queries, settings)
    bags, visits = inputs.bags, tuple(inputs.bags.training.values())
    caveats = inputs.caveats + _caveats_at_anchors(inputs, inputs.source, trajectory, replay_tolerance)
    request = Request(visits, bags.queries, bags.photos, (FORMULAS[formula],), settings, inputs.coverage)
    found = predicted_changes(TrainedNetwork(inputs.network, trajectory), request)
    table = change_table(found, request.query_ids, visits)
    table.attrs |= {"coverage": str(inputs.coverage), "caveats": list(caveats)}
    return table


def _replayable(
    inputs: TraceInputs, source: BatchSource, trajectory: Trajectory, loss: Loss | None, tolerance: float
) -> TrainedNetwork:
    """The network with what replays its recording. Raises TraceError for what the recording does not hold."""
    start = read_start(trajectory, next(inputs.network.parameters()).device)
    return TrainedNetwork(inputs.network, with_losses(trajectory, source.labels, loss), source, start, tolerance)


def _traced(trained: TrainedNetwork, request: Request) -> Traced:
    """The scores. Raises ReplayMismatch in the words of the arguments."""
    try:
        return trace_bags(trained, request)
    except ReplayMismatch as fault:
        raise ReplayMismatch(
            f"{str(fault).splitlines()[0]}\n"
            "  next: replay takes the bags and labels as given, in the order of draw(), without augmentation, dropout or other "
            "padding than zeros,\n  and the mean loss of the draws (cross-entropy without loss=...), clipped as "
            "record(clip_norm=...) says; what rounds otherwise than\n  training did needs a larger replay_tolerance. Otherwise "
            "trace with counting checkpoints"
        ) from fault


def _refuse_without_second_moment(trajectory: Trajectory, formula: FormulaName) -> None:
    """Raises TraceError for a formula that reads a second moment where training kept none."""
    rule = trajectory.optimizer.rule
    if FORMULAS[formula].needs_second_moment and not rule.has_second_moment:
        usable = [name for name, one in FORMULAS.items() if not one.needs_second_moment]
        raise TraceError(
            f"formula {formula} reads the second moment of the gradients, and training by {rule.name} keeps none\n"
            f"  next: formula {', '.join(usable)}"
        )


def _caveats_at_anchors(
    inputs: TraceInputs, source: BatchSource, trajectory: Trajectory, tolerance: float
) -> tuple[str, ...]:
    """What the first step of training says of scores at anchors, told in the log too."""
    caveats = first_step_caveats(inputs.network, trajectory, source, tolerance)
    for note in caveats:
        log.warning("  %s", note)
    return caveats


def _settings(**given: Any) -> TraceSettings:
    """The arguments as settings. Raises SettingsError in the words of the arguments where they cannot be honoured."""
    refuse_unusable({field.name: field.default for field in fields(TraceSettings)} | given, PYTHON)
    return TraceSettings(**given)
