"""PASI by its formula. Axes: V visits, R regions (head, upper limbs, trunk, lower limbs), S sub-scores.

The sub-scores are erythema, induration, desquamation (grades 0-4) and the area score (0-6), in this order.
"""

import numpy as np
import numpy.typing as npt

from grasp_psonet.tables.columns import AREA, DESQUAMATION, ERYTHEMA, INDURATION

SUB_SCORES = (ERYTHEMA, INDURATION, DESQUAMATION, AREA)
GRADE_MAX, AREA_MAX, PASI_MAX = 4, 6, 72.0
REGION_WEIGHTS = (0.1, 0.2, 0.3, 0.4)
_AREA_STEPS = np.array([0.10, 0.30, 0.50, 0.70, 0.90])  # from here on area scores 2, 3, 4, 5, 6

Scores = npt.NDArray[np.int64]
Fractions = npt.NDArray[np.float64]


def area_score(fraction: Fractions) -> Scores:
    """Area score of a covered fraction of a region: 0 for none, 1 below 10 %, 2 below 30 %, ... 6 from 90 % on."""
    return np.where(fraction > 0, 1 + np.searchsorted(_AREA_STEPS, fraction, side="right"), 0).astype(np.int64)


def pasi_of(scores_VRS: Scores) -> Fractions:
    """PASI (0-72, one decimal) of each visit: the regions' weighted sum of grades times area score."""
    weighted_VR = scores_VRS[..., :3].sum(axis=-1) * scores_VRS[..., 3]
    return np.asarray(np.round(weighted_VR @ np.array(REGION_WEIGHTS), 1))
