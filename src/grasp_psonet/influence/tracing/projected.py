"""How well scores of projected gradients rank: some queries and photos of the same trace are scored exactly as well."""

# Axes: Q queries and Z training photos, all of them or those of the sample.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag
from grasp_psonet.chance import generator
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.gradients.projection import Projection
from grasp_psonet.influence.tracing.request import Queries, Request, ScoresByFormula

SAMPLED_QUERIES, SAMPLED_PHOTOS = 16, 128  # at most; each photo costs a pass, each query a direction in memory
FEWEST_PHOTOS = 10  # a rank correlation over fewer says nothing


def projected(request: Request) -> Request:
    """The request with gradients projected as its settings say."""
    kept = request.settings.projection
    assert kept is not None
    return replace(request, coverage=request.coverage.projected(Projection(kept, request.settings.projection_seed)))


@dataclass(frozen=True)
class Sample:
    """Some queries and photos of a trace: their exact request, and their ``rows`` and ``columns`` among all scores."""

    request: Request
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def correlations(self, scores: ScoresByFormula, exact: ScoresByFormula) -> dict[FormulaName, list[float]]:
        """By formula the rank correlation (Spearman) over the sampled photos, for every query whose scores differ.

        ``scores`` [Q, Z] are all of the trace, ``exact`` those of ``request``.
        """
        found: dict[FormulaName, list[float]] = {}
        for name, exact_QZ in exact.items():
            pairs = zip(scores[name][np.ix_(self.rows, self.columns)], exact_QZ[:, self.columns], strict=True)
            found[name] = [spearman(ours_Z, exact_Z) for ours_Z, exact_Z in pairs if np.ptp(exact_Z) > 0]
        return found


def sample_of(request: Request, scores: ScoresByFormula) -> Sample:
    """Queries and photos drawn by the projection's seed, of those that have a score: a photo never drawn is 0 in any way."""
    rng = generator("projection sample", request.settings.projection_seed)
    has_score_QZ = np.any([score_QZ != 0 for score_QZ in scores.values()], axis=0)
    rows, columns = has_score_QZ.any(1).nonzero()[0], has_score_QZ.any(0).nonzero()[0]
    rows = np.sort(rng.permutation(rows)[:SAMPLED_QUERIES])
    columns = np.sort(rng.permutation(columns)[:SAMPLED_PHOTOS])
    ids = {request.query_bags[row].visit_id for row in rows}
    exact = replace(
        request,
        queries=_those_of(request.queries, ids),
        only=frozenset(request.photo_ids[z] for z in columns),
        coverage=request.coverage.projected(None),
        settings=replace(request.settings, projection=None),
    )
    return Sample(exact, tuple(rows.tolist()), tuple(columns.tolist()))


def _those_of(queries: Queries, ids: set[str]) -> Queries:
    if not isinstance(queries, Mapping):
        return tuple(bag for bag in queries if bag.visit_id in ids)
    found: dict[int, Sequence[Bag]] = {
        step: [bag for bag in bags if bag.visit_id in ids] for step, bags in queries.items()
    }
    return found


def caveat(num_kept: int, name: FormulaName, correlations: Sequence[float], num_photos: int) -> str:
    """What must be said beside scores of projected gradients."""
    what = (
        f"formula {name}: scores are of gradients projected at random to at most {num_kept} numbers of each parameter"
    )
    if num_photos < FEWEST_PHOTOS or not correlations:
        return f"{what}; {num_photos} photos have a score, too few to measure how well they rank as exact ones do"
    return (
        f"{what}; their rank correlation to exact scores is {np.mean(correlations):.3f} (mean of {len(correlations)} queries, "
        f"lowest {min(correlations):.3f}, each over {num_photos} photos of this trace)"
    )


def spearman(one_Z: np.ndarray, two_Z: np.ndarray) -> float:
    """Rank correlation, ties at their mean rank; 0 where either is the same everywhere."""
    one, two = (pd.Series(values).rank().to_numpy() for values in (one_Z, two_Z))
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])
