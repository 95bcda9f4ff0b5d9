"""D3M on our scores: training photos that harm the groups of validation visits on which the network does worst.

After Jain et al. (Improving Subgroup Robustness via Data Selection, NeurIPS 2024) and their code. As there: every
validation example is asked, right or wrong; groups are weighed by exp(beta loss) with beta = 1 (their code weighs by the loss
itself); photos of negative group alignment leave, however many. Otherwise: our scores (``trace.formula``, of whole
visits, over the anchors up to the kept one) stand for TRAK's, loss for margin, one training for many, and the
fractions of ``rivals.py`` are candidates beside the list without k. ``d3m`` is told by the truth which validation
visits hold the planted fault, which its authors assume to be annotated and no user knows; ``auto_d3m`` is not.
Axes: Q validation visits, P training photos, G groups.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from benchmarks.truth.lds import all_of_validation
from benchmarks.truth.rivals.rankings import Ranking
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.pruning.ranking import score_matrix
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.tracing.trace import trace_queries
from grasp_psonet.stages.run import TrainedRun

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BETA = 1.0
WHOLE_TRACE = "all-of-validation"


@dataclass(frozen=True)
class _TraceNeeds:
    trace: TraceSettings


@dataclass(frozen=True, eq=False)
class Asked:
    """Scores [Q, P] (positive: helpful), the visits and photos they are of, and loss [Q] and label [Q] of the visits."""

    score_QP: Floats
    visit_ids: list[str]
    photo_ids: list[str]
    loss_Q: Floats
    label_Q: Ints


def d3m(job: Job) -> Ranking:
    """Minus the alignment with groups by class and whether the visit holds a planted photo."""
    asked = ask_validation(job)
    truth = pd.read_parquet(job.study.truth_file).groupby("visit_id")["is_shortcut"].any()
    group_Q = 2 * asked.label_Q + truth.loc[asked.visit_ids].to_numpy(np.int64)
    return pd.Series(-alignment(asked.score_QP, group_Q, asked.loss_Q), index=asked.photo_ids)


def auto_d3m(job: Job) -> Ranking:
    """Minus the alignment with the pseudo-groups."""
    asked = ask_validation(job)
    group_Q = pseudo_groups(asked.score_QP, asked.label_Q)
    return pd.Series(-alignment(asked.score_QP, group_Q, asked.loss_Q), index=asked.photo_ids)


def alignment(score_QP: Floats, group_Q: Ints, loss_Q: Floats, beta: float = BETA) -> Floats:
    """Group alignment [P]: the mean score on each group, weighed by exp(beta times the group's mean loss) over their sum."""
    names = np.unique(group_Q)
    loss_G = np.array([loss_Q[group_Q == name].mean() for name in names])
    weight_G = np.exp(beta * (loss_G - loss_G.max()))
    score_GP = np.stack([score_QP[group_Q == name].mean(axis=0) for name in names])
    found_P: Floats = weight_G / weight_G.sum() @ score_GP
    return found_P


def pseudo_groups(score_QP: Floats, label_Q: Ints) -> Ints:
    """Groups [Q] of each class by the sign of its visits' rows (at length 1) along the first principal component of them."""
    row_QP = score_QP / (np.linalg.norm(score_QP, axis=1, keepdims=True) + 1e-5)
    group_Q = 2 * label_Q
    for label in np.unique(label_Q):
        rows = np.flatnonzero(label_Q == label)
        if len(rows) > 1:
            component_P = PCA(n_components=1, svd_solver="full").fit(row_QP[rows]).components_[0]
            group_Q[rows] += row_QP[rows] @ component_P > 0
    return group_Q


def ask_validation(job: Job) -> Asked:
    """The scores of every training photo on every validation visit, right or wrong; traced once."""
    folder = job.study.trace(WHOLE_TRACE)

    def make(partial: Path, own: _TraceNeeds) -> None:
        run = TrainedRun(job)
        settings = replace(own.trace, errors="kept", query="visit", sum_queries=False, drop_doubtful_queries=False)
        scores = trace_queries(run, all_of_validation(run), [settings.formula], settings).tables[settings.formula]
        scores.to_parquet(partial / "scores.parquet", index=False)

    own = needs_of(_TraceNeeds, job.settings)
    run_task(declared("trace of all of validation", folder, own, job.baseline_inputs(), make))
    scores = pd.read_parquet(folder / "scores.parquet")
    photo_ids = pd.Series(sorted(scores["photo_id"].unique()))
    visits = TrainedRun(job).predictions_of("val").set_index("visit_id").sort_index()
    return Asked(
        score_matrix(scores, photo_ids),
        visits.index.tolist(),
        photo_ids.tolist(),
        visits["loss"].to_numpy(float),
        visits["label"].to_numpy(np.int64),
    )
