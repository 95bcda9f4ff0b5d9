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
    score_intervals_around,
    score_step,
)
from grasp_psonet.audit.reader_model import ReaderModel, fit_to_classes, fit_to_scores
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.tables.columns import EXPECTED_DISAGREEMENT, GROSS_ERROR, SCORE, THRESHOLD_FLIP, VISIT_ID

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Disagreement:
    """Probabilities [V] that another reading gives another class (of a number: one outside Reader 1's interval): because the
    true one is another, or although it is Reader 1's; and that the true one is another, whatever another reading gives."""

    gross_error: Floats
    threshold_flip: Floats
    chance_true_is_outside: Floats


def disagreement(model: ReaderModel, predicted_V: Floats, reading: Intervals, own_class: Intervals) -> Disagreement:
    """From the posterior of each visit's true place, given its prediction and Reader 1's reading (its class, too)."""
    place_VG, prior_G = model.places(predicted_V)
    posterior_VG = model.chance_of(reading, place_VG) * prior_G
    posterior_VG /= np.maximum(posterior_VG.sum(axis=1, keepdims=True), 1e-300)
    other_VG = posterior_VG * (1 - model.chance_of(own_class, place_VG))
    is_own_VG = (place_VG > own_class.low[:, None]) & (place_VG <= own_class.high[:, None])
    outside_V = (posterior_VG * ~is_own_VG).sum(axis=1)
    return Disagreement((other_VG * ~is_own_VG).sum(axis=1), (other_VG * is_own_VG).sum(axis=1), outside_V)


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


def expected_difference(visits: pd.DataFrame, predicted_V: Floats, outcome: PasiTotal) -> pd.DataFrame:
    """The same where the label is a number: visit_id, expected_disagreement, gross_error and threshold_flip.

    expected_disagreement: the probability that another reading is off Reader 1's by more than the readers' noise.
    gross_error: the probability that the true number is off Reader 1's by more than twice that noise, as far as two readings
    hardly ever are (limits of agreement). threshold_flip: the probability that another reading gives another
    class by the cut-offs although Reader 1's class is the true one. ``predicted_V``: out of fold, in points.
    """
    first, second = (visits[column].to_numpy(np.float64, na_value=np.nan) for column in outcome.score_columns)
    step = score_step(np.concatenate([first, second]))
    reading, other = (score_intervals(told_V, step, outcome) for told_V in (first, second))
    latent_V = latent_of_score(first, outcome)
    place_V = _best_line(latent_of_score(predicted_V, outcome)[:, None], latent_V)
    model = fit_to_scores(place_V, reading, other, latent_V)
    beyond, far = (
        disagreement(model, place_V, reading, score_intervals_around(first, times * outcome.noise_points, outcome))
        for times in (1, 2)
    )
    class_V = pd.Series([outcome.class_of_score(float(score)) for score in first], dtype="Int64")
    own_class = class_intervals(class_V, class_edges_of_scores(step, outcome))
    return pd.DataFrame(
        {
            VISIT_ID: visits[VISIT_ID].to_numpy(),
            EXPECTED_DISAGREEMENT: beyond.gross_error + beyond.threshold_flip,
            GROSS_ERROR: far.chance_true_is_outside,
            THRESHOLD_FLIP: disagreement(model, place_V, reading, own_class).threshold_flip,
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
