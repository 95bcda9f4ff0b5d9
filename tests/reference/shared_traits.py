"""What flagged photos share, photo by photo in plain loops: the judge of ``grasp_psonet.diagnosis``."""

import itertools
from collections import defaultdict

import numpy as np


def expected_share(has, flagged, strata):
    """Mean over flagged photos of the share among the photos of their stratum that are not flagged."""
    shares = []
    for photo in range(len(has)):
        if flagged[photo]:
            others = [float(has[o]) for o in range(len(has)) if strata[o] == strata[photo] and not flagged[o]]
            shares.append(sum(others) / len(others))
    return sum(shares) / len(shares)


def odds_ratio(has, flagged, strata):
    """Mantel and Haenszel (1959), table by table."""
    above = below = 0.0
    for stratum in sorted(set(strata)):
        cells = defaultdict(int)
        for photo in range(len(has)):
            if strata[photo] == stratum:
                cells[bool(has[photo]), bool(flagged[photo])] += 1
        total = sum(cells.values())
        above += cells[True, True] * cells[False, False] / total
        below += cells[True, False] * cells[False, True] / total
    return above / below if below else None


def difference(measure, flagged, strata):
    """Flagged mean less expected, over the root mean square deviation from the stratum's mean."""
    deviations = []
    for photo in range(len(measure)):
        own = [measure[o] for o in range(len(measure)) if strata[o] == strata[photo]]
        deviations.append(measure[photo] - sum(own) / len(own))
    spread = (sum(d * d for d in deviations) / len(deviations)) ** 0.5
    told = [measure[photo] for photo in range(len(measure)) if flagged[photo]]
    return (sum(told) / len(told) - expected_share(measure, flagged, strata)) / spread


def corrected(p_values):
    """Benjamini and Hochberg (1995): the smallest rate at which each would be rejected."""
    found = []
    for p in p_values:
        rates = [q * len(p_values) / sum(r <= q for r in p_values) for q in p_values if q >= p]
        found.append(min(1.0, *rates))
    return found


def every_dealing(visit_of, view_of, class_of_visit, flagged):
    """Flags (photo numbers) of every way to deal the flags of single-visit patients among the visits of a class."""
    visits = sorted(class_of_visit)
    by_class = defaultdict(list)
    for visit in visits:
        by_class[class_of_visit[visit]].append(visit)
    photo_at = {(visit, view): photo for photo, (visit, view) in enumerate(zip(visit_of, view_of, strict=True))}
    for dealt in itertools.product(*(itertools.permutations(members) for members in by_class.values())):
        target = {}
        for members, order in zip(by_class.values(), dealt, strict=True):
            target |= dict(zip(members, order, strict=True))
        yield [
            photo_at[target[visit_of[photo]], view_of[photo]]
            for photo in np.flatnonzero(flagged)
            if (target[visit_of[photo]], view_of[photo]) in photo_at
        ]


def exact_p(has, visit_of, view_of, class_of_visit, flagged):
    """Part of all dealings in which the flagged photos have the trait as often as they do, beyond their strata's means."""
    strata = [(class_of_visit[visit], view) for visit, view in zip(visit_of, view_of, strict=True)]
    centred = []
    for photo in range(len(has)):
        own = [float(has[o]) for o in range(len(has)) if strata[o] == strata[photo]]
        centred.append(float(has[photo]) - sum(own) / len(own))

    def mean(photos):
        return sum(centred[photo] for photo in photos) / len(photos) if photos else 0.0

    own = mean(list(np.flatnonzero(flagged)))
    dealings = [mean(photos) for photos in every_dealing(visit_of, view_of, class_of_visit, flagged)]
    return sum(value >= own - 1e-9 for value in dealings) / len(dealings)
