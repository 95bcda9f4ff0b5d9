"""Expected disagreement: the probability that another reading of a visit would give another class than Reader 1 did.

Split by what would be found: a gross error (the visit truly belongs to another class, by the prediction and the reading
together), or a threshold flip (Reader 1's class is the true one, and another reading would still fall beside it).

Axes: V visits, G true places on a grid.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.audit.latent_scale import (
    Intervals,
    class_edges_of_scores,
    class_intervals,
    latent_of_probabilities,
    latent_of_score,
    score_intervals,
    score_step,
)
from grasp_psonet.audit.reader_model import ReaderModel, fit_to_classes, fit_to_scores
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.tables.columns import EXPECTED_DISAGREEMENT, GROSS_ERROR, SCORE, THRESHOLD_FLIP, VISIT_ID

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Disagreement:
    """Probabilities [V] that another reading gives another class: because the true class is another one, or although it is
    Reader 1's."""

    gross_error: Floats
    threshold_flip: Floats


def disagreement(model: ReaderModel, predicted_V: Floats, reading: Intervals, own_class: Intervals) -> Disagreement:
    """From the posterior of each visit's true place, given its prediction and Reader 1's reading (its class, too)."""
    place_VG, prior_G = model.places(predicted_V)
    posterior_VG = model.chance_of(reading, place_VG) * prior_G
    posterior_VG /= np.maximum(posterior_VG.sum(axis=1, keepdims=True), 1e-300)
    other_VG = posterior_VG * (1 - model.chance_of(own_class, place_VG))
    is_own_VG = (place_VG > own_class.low[:, None]) & (place_VG <= own_class.high[:, None])
    return Disagreement((other_VG * ~is_own_VG).sum(axis=1), (other_VG * is_own_VG).sum(axis=1))


def expected_disagreement(visits: pd.DataFrame, predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """visit_id, expected_disagreement and its two parts gross_error and threshold_flip, of every visit of ``visits``.

    ``visits`` hold both readers' classes (and scores); ``predictions`` (visit_id, p_*, and score where Reader 1 scored every
    visit) are out of fold. Where there are scores it is the mean of two models of reading: of scores, which knows how near
    a cut-off the reading lies, and of classes, which grossly wrong scores mislead less. Readers' noise is estimated from the
    visits read twice; of the visit itself only Reader 1's reading counts, so that the list can be held against Reader 2's.
    """
    told = predictions.set_index(VISIT_ID).loc[visits[VISIT_ID]]
    p_VC = told[outcome.probability_columns].to_numpy(np.float64)
    found = [_by_classes(visits, p_VC, outcome)]
    if SCORE in told:
        found.append(_by_scores(visits, p_VC, told[SCORE].to_numpy(np.float64), outcome))
    gross_V = np.mean([parts.gross_error for parts in found], axis=0)
    flip_V = np.mean([parts.threshold_flip for parts in found], axis=0)
    return pd.DataFrame(
        {
            VISIT_ID: visits[VISIT_ID].to_numpy(),
            EXPECTED_DISAGREEMENT: gross_V + flip_V,
            GROSS_ERROR: gross_V,
            THRESHOLD_FLIP: flip_V,
        }
    )


def _by_classes(visits: pd.DataFrame, p_VC: Floats, outcome: Outcome) -> Disagreement:
    first, second = (visits[column].astype("Int64") for column in outcome.label_columns)
    predicted_V = latent_of_probabilities(p_VC)
    model, edges = fit_to_classes(predicted_V, first, second, len(outcome.classes))
    own_class = class_intervals(first, edges)
    return disagreement(model, predicted_V, own_class, own_class)


def _by_scores(visits: pd.DataFrame, p_VC: Floats, score_V: Floats, outcome: Outcome) -> Disagreement:
    first, second = (visits[column].to_numpy(np.float64) for column in outcome.score_columns)
    step = score_step(np.concatenate([first, second]))
    reading, other = (score_intervals(told_V, step, outcome) for told_V in (first, second))
    latent_V = latent_of_score(first, outcome)
    predictors = np.column_stack([latent_of_score(score_V, outcome), latent_of_probabilities(p_VC)])
    predicted_V = _best_line(predictors, latent_V)
    model = fit_to_scores(predicted_V, reading, other, latent_V)
    own_class = class_intervals(visits[outcome.label_columns[0]].astype("Int64"), class_edges_of_scores(step, outcome))
    return disagreement(model, predicted_V, reading, own_class)


def _best_line(predictor_VK: Floats, latent_V: Floats) -> Floats:
    """Both predictions put together [V]: the least squares fit to Reader 1's latent readings."""
    design_VK = np.column_stack([np.ones(len(latent_V)), predictor_VK])
    weight_K, *_ = np.linalg.lstsq(design_VK, latent_V, rcond=None)
    fitted_V: Floats = design_VK @ weight_K
    return fitted_V
