"""What every score finds of a planted shortcut, without retraining: its ranking of the training photos against the truth.

A photo's harm is minus its score: summed over all errors (rule ``together``), or the best rank it has among any error's most
harmful (rule ``each``, the order in which the union over queries grows with k).
"""

# Axes: Q errors, P training photos, D features.

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from grasp_psonet.bags.bag import collate
from grasp_psonet.chance import generator
from grasp_psonet.errors import SettingsError
from grasp_psonet.influence.choices import Counting, Errors, QueryKind, UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.photos.store import PhotoStore
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.tracing.trace import run_queries, trace_queries
from grasp_psonet.stages.run import TrainedRun

Floats = NDArray[np.float64]
FORMULAS: tuple[FormulaName, ...] = ("paper", "sgd", "adam", "adam-step", "cosine")


def combinations(
    whole_grid: bool, errors: Sequence[Errors] = get_args(Errors)
) -> Iterator[tuple[TraceSettings, tuple[FormulaName, ...]]]:
    """Settings and the formulas of one pass: every defined combination but ``unrolled`` (the micro truth has it), or only
    those that count evenly, over all parameters, and not by unit edit, which takes many minutes."""
    for whose, unit, query, counting, parameters in itertools.product(
        errors, get_args(UnitName), get_args(QueryKind), get_args(Counting), ("all", "head")
    ):
        is_quick = counting == "even" and unit != "edit" and parameters == "all"
        if not (whole_grid or is_quick):
            continue
        settings = TraceSettings("adam", unit, query, counting, whose, parameters=parameters)
        if defined := tuple(formula for formula in FORMULAS if _is_defined(settings, formula)):
            yield settings, defined


def _is_defined(settings: TraceSettings, formula: FormulaName) -> bool:
    try:
        replace(settings, formula=formula)
    except SettingsError:
        return False
    return True


def ranking_rows(job: Job, whole_grid: bool) -> Iterator[dict[str, Any]]:
    """One row per method and rule: average precision, and precision among as many photos as were planted."""
    truth = pd.read_parquet(job.study.truth_file).set_index("photo_id")["is_shortcut"]
    run = TrainedRun(job)
    queries = {errors: run_queries(run, replace(job.settings.trace, errors=errors)) for errors in get_args(Errors)}
    for settings, formulas in combinations(whole_grid):
        start = time.monotonic()
        found = trace_queries(run, queries[settings.errors], formulas, settings)
        elapsed_s = (time.monotonic() - start) / len(formulas)
        for formula, scores in found.tables.items():
            wide = scores.pivot_table(index="query_id", columns="photo_id", values="score")
            name = {
                "formula": formula,
                "unit": settings.unit,
                "query": settings.query,
                "errors": settings.errors,
                "counting": settings.counting,
                "scope": settings.parameters,
                "seconds": elapsed_s,
            }
            planted = truth[wide.columns].to_numpy(dtype=bool)
            score_QP = np.asarray(wide, dtype=np.float64)
            for rule, harm_P in (("together", together(score_QP)), ("each", each(score_QP))):
                yield name | {"rule": rule} | quality_of(harm_P, planted)
    for method, harm in gradient_free(job).items():
        planted = truth[harm.index].to_numpy(dtype=bool)
        yield {"formula": method, "rule": "gradient-free"} | quality_of(np.asarray(harm, dtype=np.float64), planted)


def together(score_QP: Floats) -> Floats:
    """Harm to all errors together."""
    harm_P: Floats = -score_QP.sum(axis=0)
    return harm_P


def each(score_QP: Floats) -> Floats:
    """Minus the best place [P] that a photo takes in any error's ranking; equal ones by their summed harm."""
    place_P = score_QP.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable").min(axis=0).astype(float)
    harm_P = together(score_QP)
    places: Floats = harm_P / (1e-30 + 3 * np.abs(harm_P).max()) - place_P
    return places


def quality_of(harm_P: Floats, planted_P: NDArray[np.bool]) -> dict[str, float]:
    """How well the most harmful are the planted ones; chance gives the planted share in both figures."""
    order = np.argsort(-harm_P, kind="stable")
    count = int(planted_P.sum())
    return {
        "average_precision": float(average_precision_score(planted_P, harm_P)),
        "precision_at_planted": float(planted_P[order[:count]].mean()),
        "precision_at_half": float(planted_P[order[: max(1, count // 2)]].mean()),
    }


def gradient_free(job: Job) -> dict[str, "pd.Series[float]"]:
    """Harm of every training photo by measures that take no gradient: its loss and margin alone, its attention, its likeness to
    the errors' photos among other classes (mean of the five nearest errors), its quality measures, chance."""
    run = TrainedRun(job)
    network, store = run.kept_network(torch.device("cpu")), run.inputs.store
    alone = {photo_id: bag.only(photo_id) for bag in run.inputs.bags("train") for photo_id in bag.photo_ids}
    attention = run.attention.set_index("photo_id")["attention"]
    feature, logit = _features_and_logits(network, list(alone.values()), store)
    label = torch.tensor([bag.label for bag in alone.values()])
    ids = list(alone)
    own = logit.gather(1, label[:, None])[:, 0]
    others = logit.scatter(1, label[:, None], -torch.inf).amax(dim=1)
    found = {
        "loss": pd.Series(torch.nn.functional.cross_entropy(logit, label, reduction="none").numpy(), ids),
        "margin": pd.Series((others - own).numpy(), ids),
        "attention": attention[ids].astype(float),
        "nearest errors": pd.Series(_likeness(run, network, feature, label), ids),
        "random": pd.Series(generator(job.settings.seed, "random ranking").random(len(ids)), ids),
    }
    quality = pd.read_parquet(job.study.store / "index.parquet").set_index("photo_id").loc[ids]
    for measure in ("brightness", "contrast", "sharpness", "cast_red_green", "cast_yellow_blue"):
        value = quality[measure].astype(float)
        found[f"quality: {measure}"] = ((value - value.median()) / value.std()).abs()
    return found


@torch.no_grad()
def _features_and_logits(network: Any, bags: list[Any], store: PhotoStore) -> tuple[torch.Tensor, torch.Tensor]:
    features, logits = [], []
    for start in range(0, len(bags), 64):
        batch = collate(bags[start : start + 64], store.pixels)
        features.append(network.features(batch.photos_BNCHW[:, 0]))
        logits.append(network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN).logits_BC)
    return torch.cat(features).double(), torch.cat(logits).double()


def _likeness(run: TrainedRun, network: Any, feature_PD: torch.Tensor, label_P: torch.Tensor) -> Floats:
    queries = run_queries(run, TraceSettings(errors="kept")).set_index("query_id")
    bags = [
        bag.only(queries["photo_id"][bag.visit_id]) for bag in run.inputs.bags("val") if bag.visit_id in queries.index
    ]
    query_QD, _ = _features_and_logits(network, bags, run.inputs.store)
    unit = torch.nn.functional.normalize
    cosine_QP = unit(query_QD, dim=1) @ unit(feature_PD, dim=1).T
    is_other_QP = torch.tensor([bag.label for bag in bags])[:, None] != label_P
    likeness: Floats = (cosine_QP * is_other_QP).topk(min(5, len(bags)), dim=0).values.mean(dim=0).numpy()
    return likeness
