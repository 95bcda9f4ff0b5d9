"""Who is read again: the audit's list, a random list and the oracle's, and what a further reader says of the visits."""

# Axes: V visits, R regions, S sub-scores.

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.audit.ground import DrawnGround, Readers
from grasp_psonet.chance import generator
from grasp_psonet.cohort.synthetic.patients import draw_disease, draw_visits
from grasp_psonet.cohort.synthetic.readers import Imperfection, read

LISTS = ("audit", "random", "oracle")
FRACTIONS = (0.1, 0.2, 0.3)
THIRD = 3  # the number of the reader who reads again: as noisy as the two, and as rarely grossly wrong


@dataclass(frozen=True)
class Lists:
    """The training visits in the order in which each list has them read, with what is known of them.

    ``visits``: visit_id, is_wrong (a gross error of Reader 1 moved the class), pasi_reader1, pasi_true; ``audit``: the visits
    in the order of the review list.
    """

    visits: pd.DataFrame
    audit: Sequence[str]
    seed: int

    def order(self, name: str) -> list[str]:
        """Visit ids, first to be read first. The oracle knows the errors, and reads the largest first."""
        if name == "audit":
            return list(self.audit)
        if name == "random":
            rng = generator("benchmark reads at random", self.seed)
            return [str(visit) for visit in rng.permutation(sorted(self.visits["visit_id"]))]
        off = (self.visits["pasi_reader1"] - self.visits["pasi_true"]).abs()
        known = self.visits.assign(off=off).sort_values(["is_wrong", "off"], ascending=False, kind="stable")
        return known["visit_id"].tolist()

    def first(self, name: str, fraction: float) -> list[str]:
        """The first visits of a list."""
        return self.order(name)[: round(fraction * len(self.visits))]


def third_readings(ground: DrawnGround, readers: Readers, visit_ids: Sequence[str]) -> pd.DataFrame:
    """A further reader's score of these visits: visit_id, reader_id, pasi; a visit is scored alike on any list."""
    drawn = draw_visits(ground.planted, ground.seed)
    scores_VRS = draw_disease(drawn, ground.seed).scores_VRS
    row_of = {str(visit): row for row, visit in enumerate(drawn["visit_id"])}
    errs = Imperfection(ground.settings.reader_noise, readers.gross_errors)
    seed = int(generator("benchmark third reader", ground.seed).integers(2**31))
    scores = [read(seed, visit, THIRD, scores_VRS[row_of[visit]], errs).pasi for visit in visit_ids]
    return pd.DataFrame({"visit_id": list(visit_ids), "reader_id": "third", "pasi": scores})
