"""Every defined combination of formula, unit, counting and parameters on one trajectory of the micro study.

A query of kind photo is a bag of one photo, and so is traced beside the whole visits in one pass: its gradient is the same.
"""

# Axes: Q queries (whole visits first, then their photos alone), P training photos, V training visits.

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.truth.micro.training import MicroRun
from grasp_psonet.bags.bag import Bag
from grasp_psonet.errors import SettingsError
from grasp_psonet.influence.choices import Curvature, UnitName
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.gradients import forward_mode
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.adam_point import AdamPoint
from grasp_psonet.influence.tracing.directions import direction
from grasp_psonet.influence.tracing.request import Request
from grasp_psonet.influence.tracing.trace import trace
from grasp_psonet.influence.units.query_gradients import query_gradients
from grasp_psonet.influence.units.table import cover_unit, unit_products
from grasp_psonet.trajectory.records import visit_weights

forward_mode.DIRECTIONS_AT_ONCE = 256  # a network this small holds the tangents of all directions together

UNITS: tuple[UnitName, ...] = ("single", "share", "edit", "visit")
TRACED: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "adam-step", "cosine")
CURVATURES: tuple[Curvature, ...] = ("exact", "fisher", "none")


@dataclass(frozen=True)
class Scores:
    """What one method says, positive = helpful: ``photo_QP`` of each photo, ``visit_QV`` of each visit (None: nothing).

    ``seconds`` is the time of the pass that made them, shared by the ``num_together`` methods made in it.
    """

    source: str
    method: str
    photo_QP: np.ndarray | None
    visit_QV: np.ndarray | None
    seconds: float
    num_together: int = 1


def queries_of(run: MicroRun) -> tuple[Bag, ...]:
    """The validation visits, and then the photo of each that the trained network attends to most."""
    batch = run.study.batch(run.study.validation)
    attention_QN = run.network(batch.photos_BNCHW, batch.is_photo_BN).attention_BN
    chosen = attention_QN.argmax(dim=1).tolist()
    alone = tuple(bag.only(bag.photo_ids[n]) for bag, n in zip(run.study.validation, chosen, strict=True))
    return run.study.validation + alone


def our_scores(run: MicroRun, queries: Sequence[Bag], whole_grid: bool) -> Iterator[Scores]:
    """All methods of the project; without ``whole_grid`` the quick ones of units edit and visit."""
    units: tuple[UnitName, ...] = UNITS if whole_grid else ("edit", "visit")
    choices, countings = (("all", "head"), ("checkpoints", "steps")) if whole_grid else (("all",), ("checkpoints",))
    for unit, counting, parameters in itertools.product(units, countings, choices):
        base = TraceSettings("adam", unit, "visit", counting, "kept", parameters=parameters)  # type: ignore[arg-type]
        defined = tuple(formula for formula in TRACED if _refusal(base, formula) is None)
        if unit == "edit" and not whole_grid:  # each photo's own norm: the slow path
            defined = tuple(formula for formula in defined if formula != "cosine")
        names = {formula: f"{formula} x {unit} x {counting} x {parameters}" for formula in defined}
        yield from _traced(run, queries, base, defined, names)
    yield from (_at_the_end(run, queries, unit) for unit in units)
    for unit, curvature in itertools.product(units, CURVATURES):
        settings = TraceSettings("unrolled", unit, "visit", "steps", "kept", curvature=curvature)
        yield from _traced(
            run, queries, settings, ("unrolled",), {"unrolled": f"unrolled {curvature} x {unit} x steps x all"}
        )


def _at_the_end(run: MicroRun, queries: Sequence[Bag], unit: UnitName) -> Scores:
    """Formula adam at checkpoints with the queries' gradients taken at the kept weights only, not at every anchor.

    Not a setting of the project: to first order, and without curvature, it is what removal does to the final loss.
    """
    start = time.perf_counter()
    network, trained, training = run.network, run.trained, run.study.training
    coverage = cover_unit(unit, network, run.study.batch(training[:3]))
    query_QW = query_gradients(network, [run.study.batch((query,)) for query in queries], "visit")
    photo_QP = np.zeros((len(queries), len(run.study.photo_ids)))
    for before, step in trained.windows():
        anchor = trained.load(step)
        weights = visit_weights(run.trajectory.steps, before, step, divided=True)
        weight_P = np.repeat([weights.get(bag.visit_id, 0.0) for bag in training], [len(bag) for bag in training])
        direction_QW = direction(FORMULAS["adam"], AdamPoint(anchor.state, run.trajectory.optimizer), query_QW)
        dot_PQ = unit_products(network, run.study.batch(training), coverage, direction_QW).dot_PQ
        photo_QP += weight_P * dot_PQ.T.numpy()
    return _scores(run, f"adam at the end x {unit} x checkpoints x all", photo_QP, unit, time.perf_counter() - start, 1)


def refusals() -> dict[str, str]:
    """The combinations without meaning and what the project says of each."""
    found = {}
    for counting, parameters in itertools.product(("checkpoints", "steps"), ("all", "head")):
        base = TraceSettings(formula="adam", counting=counting, errors="kept", parameters=parameters)  # type: ignore[arg-type]
        for formula in (*FORMULAS, "unrolled"):
            reason = _refusal(base, formula)
            if reason is not None:
                found[f"{formula} x {counting} x {parameters}"] = reason
    return found


def _refusal(settings: TraceSettings, formula: FormulaName) -> str | None:
    try:
        replace(settings, formula=formula)
    except SettingsError as refusal:
        return str(refusal).splitlines()[0]
    return None


def _traced(
    run: MicroRun,
    queries: Sequence[Bag],
    settings: TraceSettings,
    formulas: tuple[FormulaName, ...],
    names: dict[FormulaName, str],
) -> Iterator[Scores]:
    start = time.perf_counter()
    coverage = cover_unit(settings.unit, run.network, run.study.batch(run.study.training[:3]), settings.parameters)
    values = tuple(FORMULAS[formula] for formula in formulas)
    traced = trace(run.trained, Request(run.study.training, queries, run.study.pixels, values, settings, coverage))
    elapsed_s = time.perf_counter() - start
    assert traced.photo_ids == run.study.photo_ids
    for formula, photo_QP in traced.by_formula.items():
        yield _scores(run, names[formula], photo_QP, settings.unit, elapsed_s, len(formulas))


def _scores(
    run: MicroRun, method: str, photo_QP: np.ndarray, unit: UnitName, elapsed_s: float, num_together: int
) -> Scores:
    """Photos as they are; a visit scores what its photos score together, in unit visit what each of them bears."""
    first_V = np.cumsum([0] + [len(bag) for bag in run.study.training[:-1]])
    visit_QV = photo_QP[:, first_V] if unit == "visit" else np.add.reduceat(photo_QP, first_V, axis=1)
    return Scores("ours", method, photo_QP, visit_QV, elapsed_s, num_together)
