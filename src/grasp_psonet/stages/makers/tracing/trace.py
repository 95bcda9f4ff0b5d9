"""``grasp trace``: influence of every training photo on the validation visits that the baseline got wrong."""

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.errors import ReplayMismatch
from grasp_psonet.influence.choices import ALL_QUERIES
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.queries import find_queries
from grasp_psonet.influence.tracing.request import Queries, Request
from grasp_psonet.influence.tracing.trace import Remember, Traced, trace
from grasp_psonet.influence.units.table import cover_unit
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.stages.declared.needs import TraceNeeds
from grasp_psonet.stages.makers.tracing.pairs import photos_at_the_ends
from grasp_psonet.stages.makers.tracing.trace_parts import kept_parts
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import PHOTO_ID, QUERY_ID, SCORE, STEP, USED, VISIT_ID
from grasp_psonet.tables.schemas.traces import PAIRS, PHOTO_LOSSES, QUERIES, SCORES
from grasp_psonet.training.predict import photo_losses, predict_bags
from grasp_psonet.trajectory.trained_network import TrainedNetwork

log = logging.getLogger("grasp_psonet")

_PARTS = "parts"
FIRST_STEP_TOLERANCE = 1e-3  # of a loss: another machine is off by less, another photo or setting by more
PAIRS_FILE = "pairs.parquet"


@dataclass(frozen=True)
class QueryTrace:
    """Score tables by formula (query_id, photo_id, visit_id, score), photo losses (photo_id, loss), coverage, caveats.

    ``pairs``: where the tables hold the sums over the errors, the scores of single errors for the photos at the ends.
    """

    tables: dict[FormulaName, pd.DataFrame]
    photo_losses: pd.DataFrame
    coverage: dict[str, int]
    caveats: tuple[str, ...]
    pairs: pd.DataFrame | None = None


def trace_queries(
    run: TrainedRun,
    queries: pd.DataFrame,
    formulas: Sequence[FormulaName],
    settings: TraceSettings,
    parts: Path | None = None,
) -> QueryTrace:
    """Traces the used queries by these formulas; ``settings`` say unit, query, counting and parameters.

    ``queries`` as ``run_queries`` gives them: with ``errors: each_anchor`` each counts at the anchor of its ``step``.
    With ``parts`` (a folder), finished parts are kept there, and a trace that was interrupted goes on from them. Photos that
    the run's keep list removed have no scores.
    """
    trained, request, losses, unverified = _asked(run, queries, formulas, settings)
    traced = trace(trained, request, _remembering(parts, request))
    return QueryTrace(_score_tables(traced), losses, request.coverage.numel_by_rule, traced.caveats + unverified)


def trace_sums(
    run: TrainedRun, queries: pd.DataFrame, settings: TraceSettings, parts: Path | None = None
) -> QueryTrace:
    """The sums of the used queries' scores by the formula of the settings, one direction for all of them; with ``pairs: top``
    the scores of each query for the photos at the ends of that ranking, in a second pass over these alone. Formula unrolled
    goes back once for all pairs. The rest as in ``trace_queries``.
    """
    trained, request, losses, unverified = _asked(run, queries, [settings.formula], settings)
    formula, coverage = FORMULAS[settings.formula], request.coverage.numel_by_rule
    if formula.is_unrolled and settings.pairs == "top":  # a second way back would cost as much as the first
        whole = trace(trained, request, _remembering(parts, request))
        score_QZ = whole.by_formula[formula.name]
        traced = replace(
            whole, query_ids=(ALL_QUERIES,), by_formula={formula.name: score_QZ.sum(axis=0, keepdims=True)}
        )
    else:
        folded = replace(request, folds=True)
        traced = trace(trained, folded, _remembering(parts, folded))
        whole = None
    table = _score_tables(traced)
    if settings.pairs != "top":
        return QueryTrace(table, losses, coverage, traced.caveats + unverified)
    strata = [run.outcome.stratum_of(run.inputs.source.bags[visit_id].label) for visit_id in traced.visit_ids]
    score_Z = traced.by_formula[formula.name][0]
    only = photos_at_the_ends(score_Z, traced.photo_ids, strata, len(request.query_bags))
    if whole is None:
        log.info(
            "  the scores of each error, for the %d photos at the ends of the ranking; an error's own strongest may be others "
            "(trace.pairs all)",
            len(only),
        )
        few = replace(request, only=only)
        whole = trace(trained, few, _remembering(parts, few))
    pairs = _score_tables(whole)[formula.name]
    pairs = pairs[pairs[PHOTO_ID].isin(only)].reset_index(drop=True)
    return QueryTrace(table, losses, coverage, traced.caveats + unverified, pairs)


def _asked(
    run: TrainedRun, queries: pd.DataFrame, formulas: Sequence[FormulaName], settings: TraceSettings
) -> tuple[TrainedNetwork, Request, pd.DataFrame, tuple[str, ...]]:
    """The network with its trajectory, what is asked of it, the photos' losses, and what step 1 of training shows."""
    source, network = run.inputs.source, run.kept_network()
    trained = TrainedNetwork(network, run.trajectory)
    if settings.counting == "steps":
        trained = replace(trained, source=source, start=run.start(), tolerance=settings.replay_tolerance)
    visits = tuple(source.bags.values())
    losses = photo_losses(network, visits, source.pixels, settings.photos_per_batch)
    used = queries[queries[USED].astype(bool)]
    coverage = cover_unit(settings.unit, network, collate(list(visits[:3]), source.pixels), settings.parameters)
    log.info("  %d queries over %s", len(used), coverage)
    by_anchor = _queries(run.inputs.bags("val"), used, settings)
    wanted = tuple(FORMULAS[name] for name in formulas)
    unverified = () if settings.counting == "steps" else first_step_caveats(run, network)
    return trained, Request(visits, by_anchor, source.pixels, wanted, settings, coverage), losses, unverified


def first_step_caveats(run: TrainedRun, network: BagNetwork) -> tuple[str, ...]:
    """What must be said where step 1 does not replay as recorded: these photos, this code or this machine is not that of
    training. Counting at anchors replays nothing else. The network holds other weights afterwards.
    """
    trained = TrainedNetwork(network, run.trajectory, run.inputs.source, run.start(), FIRST_STEP_TOLERANCE)
    try:
        for _ in trained.replay(0, 1):
            pass
    except ReplayMismatch as fault:
        first = str(fault).splitlines()[0]
        note = f"{first}: scores at anchors are of photos, settings or versions that are not those of training"
        log.warning("  %s", note)
        return (note,)
    return ()


def _queries(val_bags: Sequence[Bag], used: pd.DataFrame, settings: TraceSettings) -> Queries:
    """The used queries as bags, by the anchor where they count if every anchor has its own."""
    by_visit = {bag.visit_id: bag for bag in val_bags}
    if settings.errors == "each_anchor":
        return {int(str(step)): _query_bags(by_visit, rows, settings) for step, rows in used.groupby(STEP)}
    assert used[QUERY_ID].is_unique, "errors of several anchors, traced as those of the kept network"
    return _query_bags(by_visit, used, settings)


def _query_bags(val_bags: dict[str, Bag], queries: pd.DataFrame, settings: TraceSettings) -> list[Bag]:
    bags = [val_bags[query_id] for query_id in queries[QUERY_ID]]
    if settings.query == "visit":
        return bags
    return [bag.only(photo_id) for bag, photo_id in zip(bags, queries[PHOTO_ID], strict=True)]


def _remembering(folder: Path | None, request: Request) -> Remember:
    if folder is None:
        return lambda part, make: make()
    parts = kept_parts(folder, request)
    if len(parts):
        log.info("  parts left by the interrupted trace: %d; each is proven before it counts", len(parts))
    return parts.remember


def run_queries(run: TrainedRun, settings: TraceSettings) -> pd.DataFrame:
    """What is traced of a run (influence.queries), with the ``step`` of the anchor whose network made the error.

    By ``settings.errors`` those of the kept network, or of the network at every anchor, each through the photo that it
    attended to most there; labels and cut-offs are those it was trained with.
    """
    is_kept = settings.errors == "kept"
    by_step = iter([(run.kept_step, run.predictions_of("val"))]) if is_kept else _predictions_at_anchors(run)
    found = [
        find_queries(predictions, run.cohort.visits, run.cohort.outcome, settings).assign(step=step)
        for step, predictions in by_step
    ]
    return pd.concat(found, ignore_index=True)


def _predictions_at_anchors(run: TrainedRun) -> Iterator[tuple[int, pd.DataFrame]]:
    network, bags = run.kept_network(), run.inputs.bags("val")
    trained = TrainedNetwork(network, run.trajectory)
    for _, step in trained.windows(beyond_kept=True):
        trained.load(step)
        yield step, predict_bags(network, bags, run.inputs.pixels)[0]


def kept_queries(run: TrainedRun, trace: Path) -> pd.DataFrame:
    """The validation errors of the kept network among those of its trace in this folder."""
    queries = QUERIES.read(trace / "queries.parquet")
    return queries[queries[STEP] == run.kept_step]


def _score_tables(traced: Traced) -> dict[FormulaName, pd.DataFrame]:
    photo_ids, num_queries = traced.photo_ids, len(traced.query_ids)
    return {
        formula: pd.DataFrame(
            {
                QUERY_ID: np.repeat(np.array(traced.query_ids, dtype=object), len(photo_ids)),
                PHOTO_ID: list(photo_ids) * num_queries,
                VISIT_ID: list(traced.visit_ids) * num_queries,
                SCORE: score_QZ.reshape(-1),
            }
        )
        for formula, score_QZ in traced.by_formula.items()
    }


def make_trace(folder: Path, own: TraceNeeds, run: TrainedRun) -> None:
    """Traces the run's errors and leaves scores, queries, photo losses and coverage in the folder."""
    queries = run_queries(run, own.trace)
    if not queries[USED].any():
        log.warning(
            "no validation error to trace (%d found, %d left out as doubtful): nothing will be pruned",
            len(queries),
            int((~queries[USED].astype(bool)).sum()),
        )
    formula = own.trace.formula
    is_every_pair = own.trace.pairs == "all" or own.trace.sum_queries or not queries[USED].any()
    if is_every_pair:
        traced = trace_queries(run, queries, [formula], own.trace, parts=folder / _PARTS)
    else:
        traced = trace_sums(run, queries, own.trace, parts=folder / _PARTS)
    QUERIES.write(queries, folder / "queries.parquet")
    SCORES.write(traced.tables[formula], folder / "scores.parquet")
    if traced.pairs is not None:
        PAIRS.write(traced.pairs, folder / PAIRS_FILE)
    PHOTO_LOSSES.write(traced.photo_losses, folder / "photo_losses.parquet")
    for name, value in (("coverage", traced.coverage), ("caveats", traced.caveats)):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if (folder / _PARTS).exists():
        shutil.rmtree(folder / _PARTS)
