"""What out-of-fold probabilities say against the label of a visit. Higher is more suspicious, in every column.

Axes: V visits, C classes.
"""

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.multiannotator import get_label_quality_multiannotator
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.special import xlogy

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.tables.columns import (
    CONFIDENT_LEARNING,
    CROWDLAB,
    ENTROPY,
    LABEL,
    NORMALIZED_MARGIN,
    SELF_CONFIDENCE,
    VISIT_ID,
)

Floats = NDArray[np.float64]


def doubt_rankings(predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """visit_id, self_confidence, normalized_margin, entropy, confident_learning from rows visit_id, label, p_*.

    self_confidence: 1 less the probability of the label. normalized_margin: half of (1 + the best other probability less the
    label's). entropy: of the probabilities, in nats; it does not look at the label. confident_learning (Northcutt et al.
    2021): visits that the confident joint calls mislabelled come first, each part by self-confidence that is adjusted for
    how sure predictions of the class are; constant where fewer than two classes are there.
    """
    p_VC = predictions[outcome.probability_columns].to_numpy(np.float64)
    label_V = predictions[LABEL].to_numpy(np.int64)
    own_V = p_VC[np.arange(len(label_V)), label_V]
    other_V = np.where(np.arange(p_VC.shape[1]) == label_V[:, None], -np.inf, p_VC).max(axis=1)
    return pd.DataFrame(
        {
            VISIT_ID: predictions[VISIT_ID],
            SELF_CONFIDENCE: 1 - own_V,
            NORMALIZED_MARGIN: (1 + other_V - own_V) / 2,
            ENTROPY: -xlogy(p_VC, p_VC).sum(axis=1),
            CONFIDENT_LEARNING: _confident_learning(p_VC, label_V),
        }
    )


def _confident_learning(p_VC: Floats, label_V: NDArray[np.int64]) -> Floats:
    """0 to 2: 1 and more for visits that confident learning calls mislabelled."""
    present = np.unique(label_V)
    if len(present) < 2:
        return np.zeros(len(label_V))
    p_VC, label_V = _of_present(p_VC, present), np.searchsorted(present, label_V)
    quality_V = get_label_quality_scores(label_V, p_VC, method="self_confidence", adjust_pred_probs=True)
    is_issue_V = find_label_issues(label_V, p_VC, filter_by="prune_by_noise_rate", n_jobs=1, min_examples_per_class=0)
    doubt_V: Floats = 1 - np.asarray(quality_V, dtype=np.float64) + is_issue_V
    return doubt_V


def crowdlab_ranking(visits: pd.DataFrame, predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """visit_id, crowdlab (Goh et al. 2022): 1 less the quality of Reader 1's class, given the other readers' and p_*.

    ``visits``: one column of classes per reader (``outcome.label_columns``), missing where not read; the result has the visits
    that were read twice and is empty where there are none. It knows the second reading: it says which of two readings to
    doubt, not which visit to read a second time.
    """
    first, second = outcome.label_columns
    twice = visits.loc[visits[second].notna()]
    if twice.empty:
        return pd.DataFrame({VISIT_ID: pd.Series(dtype="str"), CROWDLAB: pd.Series(dtype="float64")})
    labels = twice[[first, second]].astype("Int64").astype(float).reset_index(drop=True)
    p_VC = predictions.set_index(VISIT_ID).loc[twice[VISIT_ID], outcome.probability_columns].to_numpy(np.float64)
    present = np.unique(labels.to_numpy())
    if len(present) < 2:
        return pd.DataFrame({VISIT_ID: twice[VISIT_ID].to_numpy(), CROWDLAB: 0.0})
    labels = labels.apply(lambda column: pd.Series(np.searchsorted(present, column), dtype=float))
    told = get_label_quality_multiannotator(
        labels, _of_present(p_VC, present), verbose=False, return_weights=False, return_annotator_stats=False
    )
    quality_V = told["detailed_label_quality"][f"quality_annotator_{first}"].to_numpy(np.float64)
    return pd.DataFrame({VISIT_ID: twice[VISIT_ID].to_numpy(), CROWDLAB: 1 - quality_V})


def _of_present(p_VC: Floats, present: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Probabilities of the classes that are there, adding up to 1: cleanlab wants an example of every class."""
    p_VC = np.maximum(p_VC[:, present.astype(np.int64)], 1e-12)
    share_VC: Floats = p_VC / p_VC.sum(axis=1, keepdims=True)
    return share_VC
