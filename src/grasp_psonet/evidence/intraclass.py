"""The intraclass correlation of several readings of the same visits.

Axes: R weightings (bootstrap replicates), V visits, K readers.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def intraclass_correlation(score_VK: Floats, weight_RV: Floats | None = None) -> Floats:
    """ICC(2,1) [R]: two-way random effects, absolute agreement, a single reading (Shrout & Fleiss 1979, table 4; ICC(A,1) of
    McGraw & Wong 1996).

    ``score_VK``: one row per visit, one column per reader, all finite. ``weight_RV`` says how often each visit counts (default:
    once, R = 1). NaN under a weighting with fewer than two visits, or where all readings are one and the same number. A
    reader who gives systematically more is no agreement: the spread between readers counts as error.
    """
    num_readers = score_VK.shape[1]
    assert score_VK.ndim == 2
    assert num_readers >= 2, "two readers or more"
    weight_RV = np.ones((1, len(score_VK))) if weight_RV is None else weight_RV
    centred_VK = score_VK - (score_VK.mean() if score_VK.size else 0.0)  # sums of squares keep their digits
    num_R = weight_RV.sum(axis=1)
    enough_R = num_R > 1
    divisor_R = np.where(enough_R, num_R, np.nan)
    visit_V = centred_VK.mean(axis=1)
    reader_RK = weight_RV @ centred_VK / divisor_R[:, None]
    grand_R = reader_RK.mean(axis=1)
    between_visits_R = num_readers * (weight_RV @ visit_V**2 - divisor_R * grand_R**2)
    between_readers_R = divisor_R * ((reader_RK - grand_R[:, None]) ** 2).sum(axis=1)
    total_R = weight_RV @ (centred_VK**2).sum(axis=1) - num_readers * divisor_R * grand_R**2
    left_R = np.maximum(total_R - between_visits_R - between_readers_R, 0.0)
    visits_R = between_visits_R / (divisor_R - 1)
    readers_R = between_readers_R / (num_readers - 1)
    error_R = left_R / ((divisor_R - 1) * (num_readers - 1))
    bottom_R = visits_R + (num_readers - 1) * error_R + num_readers * (readers_R - error_R) / divisor_R
    least = 1e-12 * max(1.0, float((centred_VK**2).max(initial=0.0)))
    exists_R = enough_R & (total_R > least)
    value_R: Floats = np.divide(visits_R - error_R, bottom_R, out=np.full(len(num_R), np.nan), where=exists_R)
    return value_R
