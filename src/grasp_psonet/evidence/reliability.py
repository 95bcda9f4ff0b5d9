"""Agreement of any number of readers, each figure for many weightings of the visits at once.

Axes: R weightings (bootstrap replicates), V visits, C classes, M readings of a visit, K readers who all read every visit. A
weight says how often a visit counts. A figure that does not exist under a weighting is NaN there, never 0.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def alpha_of_classes(count_VC: Floats, weight_RV: Floats) -> Floats:
    """Krippendorff's alpha for ordinal values [R]; ``count_VC``: how many readers gave a visit each class.

    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: visits read once do not count, readings may be missing.
    NaN where all values are one class.
    """
    readings_V = count_VC.sum(axis=1)
    per_pair_V = np.divide(1, readings_V - 1, out=np.zeros(len(readings_V)), where=readings_V > 1)
    pairs_VCC = count_VC[:, :, None] * count_VC[:, None, :] - np.eye(count_VC.shape[1]) * count_VC[:, None, :]
    coincidence_RCC = np.einsum("rv,vcd->rcd", weight_RV * per_pair_V, pairs_VCC)
    value_RC = coincidence_RCC.sum(axis=2)
    rank_RC = value_RC.cumsum(axis=1) - value_RC / 2  # the middle rank of each class
    apart_RCC = (rank_RC[:, :, None] - rank_RC[:, None, :]) ** 2
    observed_R = (coincidence_RCC * apart_RCC).sum(axis=(1, 2))
    expected_R = (value_RC[:, :, None] * value_RC[:, None, :] * apart_RCC).sum(axis=(1, 2))
    return 1 - _ratio(observed_R * (value_RC.sum(axis=1) - 1), expected_R)


def alpha_of_scores(score_VM: Floats, weight_RV: Floats) -> Floats:
    """Krippendorff's alpha for values on an interval scale [R]; NaN in ``score_VM`` is a reading that is not there.

    The same as above with the squared difference of two scores. NaN where all scores are one.
    """
    is_read_VM = np.isfinite(score_VM)
    readings_V = is_read_VM.sum(axis=1).astype(float)
    readings_V[readings_V < 2] = 0
    filled_VM = np.where(is_read_VM, score_VM, 0.0)
    filled_VM = filled_VM - filled_VM.sum() / max(1, is_read_VM.sum())  # near 0, where squares are exact
    filled_VM = np.where(is_read_VM, filled_VM, 0.0)
    sum_V, square_V = filled_VM.sum(axis=1), (filled_VM**2).sum(axis=1)
    within_V = 2 * (readings_V * square_V - sum_V**2)
    per_pair_V = np.divide(1, readings_V - 1, out=np.zeros(len(readings_V)), where=readings_V > 1)
    observed_R = weight_RV @ (within_V * per_pair_V)
    paired_RV = weight_RV * (readings_V > 0)
    count_R = paired_RV @ readings_V
    between_R = 2 * (count_R * (paired_RV @ square_V) - (paired_RV @ sum_V) ** 2)
    return 1 - _ratio(observed_R * (count_R - 1), between_R)


def icc_2_1(score_VK: Floats, weight_RV: Floats) -> Floats:
    """ICC(2,1) of Shrout & Fleiss (1979) [R]: two-way random effects, absolute agreement, a single reading.

    Every reader scored every visit. NaN with fewer than two visits, or where all scores are one.
    """
    num_readers = score_VK.shape[1]
    count_R = weight_RV.sum(axis=1)
    near_VK = score_VK - score_VK.mean() if score_VK.size else score_VK
    visit_V = near_VK.mean(axis=1)
    reader_RK = _ratio(weight_RV @ near_VK, count_R[:, None])
    mean_R = reader_RK.mean(axis=1)
    of_visits_R = num_readers * (weight_RV @ visit_V**2 - count_R * mean_R**2)
    of_readers_R = count_R * ((reader_RK - mean_R[:, None]) ** 2).sum(axis=1)
    total_R = weight_RV @ (near_VK**2).sum(axis=1) - count_R * num_readers * mean_R**2
    visits_R = _ratio(of_visits_R, count_R - 1)
    readers_R = of_readers_R / (num_readers - 1)
    error_R = _ratio(np.maximum(total_R - of_visits_R - of_readers_R, 0), (count_R - 1) * (num_readers - 1))
    spread_R = visits_R + (num_readers - 1) * error_R + _ratio(num_readers * (readers_R - error_R), count_R)
    return _ratio(visits_R - error_R, spread_R)


def mean_of(value_V: Floats, weight_RV: Floats) -> Floats:
    """The mean of one number of each visit [R]."""
    return _ratio(weight_RV @ value_V, weight_RV.sum(axis=1))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    below = np.broadcast_to(bottom, top.shape)
    value: Floats = np.divide(top, below, out=np.full(top.shape, np.nan), where=below > 0)
    return value
