"""How many photos stand out within their group: the harmful tail of its scores against the mirror image of the helpful one.

If nothing were wrong, the scores of a class would spread alike to both sides of their median. More photos far on the harmful
side than as far on the helpful side are then more than chance: the false-discovery rate of a threshold is estimated by the
helpful ones beyond it (Barber & Candes 2015, equation 1.9, whose 1 in the numerator makes 1 / rate photos the fewest that can
stand out). Where most photos of a class carry what is wrong, the median moves with them and the tail is no tail.
Axes: P photos.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool]


def stands_out(score_P: Floats, group_P: NDArray[np.int64], false_discovery: float) -> Flags:
    """Photos [P] whose score lies below the median of their group by at least its threshold, which is the smallest one whose
    estimated false-discovery rate is at most ``false_discovery``; none of a group where there is no such threshold.
    """
    found_P = np.zeros(len(score_P), dtype=np.bool)
    for group in np.unique(group_P):
        rows = np.flatnonzero(group_P == group)
        centred = score_P[rows] - np.median(score_P[rows])
        found_P[rows] = -centred >= _threshold(centred, false_discovery)
    return found_P


def worst_of_most_harmful(score_P: Floats, group_P: NDArray[np.int64], share: float) -> Flags:
    """The most harmful share of photos [P] of one group: the one whose median score is the most harmful, of the groups that are
    large enough for one photo to be the share.

    Where a pattern is so common in its class that its photos do not stand out, the class itself does: errors are mistaken for
    it. ``score_P`` are scores as they are, comparable between groups.
    """
    found_P = np.zeros(len(score_P), dtype=np.bool)
    groups, sizes = np.unique(group_P, return_counts=True)
    medians = {group: float(np.median(score_P[group_P == group])) for group in groups[sizes * share >= 1]}
    if not medians:
        return found_P
    rows = np.flatnonzero(group_P == min(medians, key=lambda group: medians[group]))
    worst = rows[np.argsort(score_P[rows], kind="stable")[: round(share * len(rows))]]
    found_P[worst] = score_P[worst] < 0
    return found_P


def _threshold(centred: Floats, false_discovery: float) -> float:
    """The smallest distance from the median at which few enough photos lie as far on the other side; infinite without one."""
    harmful, helpful = np.sort(-centred[centred < 0]), np.sort(centred[centred > 0])
    num_beyond = len(harmful) - np.searchsorted(harmful, harmful, side="left")
    num_mirrored = len(helpful) - np.searchsorted(helpful, harmful, side="left")
    is_rare = 1 + num_mirrored <= false_discovery * num_beyond
    return float(harmful[is_rare.argmax()]) if is_rare.any() else float("inf")
