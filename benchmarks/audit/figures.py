"""From audit tables to figures: what each ranking finds in the first part of its list, over cohorts, with paired intervals.

Axes: T tables (cohorts), S seeds, R replicates.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.audit.influence import COLUMN
from grasp_psonet.audit.curves import auroc, found_at, inspect
from grasp_psonet.audit.rankings import KNOWS_SECOND_READING, RANKINGS
from grasp_psonet.audit.simple_rivals import within_class
from grasp_psonet.chance import generator
from grasp_psonet.evidence.calibration import calibration_error
from grasp_psonet.evidence.intervals import MIN_PATIENTS, resample_patients

Floats = NDArray[np.float64]
INSPECTED = 0.3
REPLICATES = 2000
CONFIDENCE = 0.95
OURS = ("expected_disagreement", "gross_error", "threshold_flip")
COMBINED = ("margin_and_cutoff", "confidence_and_cutoff")
NO_RIVALS = (*OURS, *COMBINED, *KNOWS_SECOND_READING, "oracle", "random", "class_only")
TARGETS = {"disagreements": "differs", "class_changing": "is_wrong", "gross_errors": "is_gross"}


@dataclass(frozen=True)
class Table:
    """The audit table of one cohort and what the cohort is: encoder, seed, and how it was drawn."""

    rows: pd.DataFrame
    about: dict[str, Any]

    @property
    def reported(self) -> pd.DataFrame:
        return self.rows[self.rows["is_reported"]]

    @property
    def rankings(self) -> list[str]:
        names = [name for name in RANKINGS if name not in (*KNOWS_SECOND_READING, "oracle")]
        return [name for name in (*names, COLUMN) if name in self.rows]


def rows_of(table: Table) -> Iterable[dict[str, Any]]:
    """One row per ranking and target: found in the first part of the list and AUROC, over all and within class; missing where
    there is nothing to be found."""
    visits = table.reported
    for ranking in table.rankings:
        of_class = within_class(visits[ranking], visits["label_reader1"])
        for target, column in TARGETS.items():
            wanted_V = visits[column].to_numpy(bool)
            found, area = _found(visits[ranking], wanted_V)
            within, area_within = _found(of_class, wanted_V)
            yield table.about | {
                "ranking": ranking,
                "target": target,
                "wanted": int(wanted_V.sum()),
                "found_at_30": found,
                "auroc": area,
                "within_class_at_30": within,
                "within_class_auroc": area_within,
            }


def _found(ranking: "pd.Series[float]", wanted_V: NDArray[np.bool]) -> tuple[float, float]:
    inspection = inspect(np.asarray(ranking, dtype=np.float64), wanted_V, np.ones((1, len(wanted_V))))
    return float(found_at(inspection, np.array([INSPECTED]))[0, 0]), float(auroc(inspection)[0])


def means(rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """By ranking the mean over cohorts of every figure, best first."""
    figures = ["found_at_30", "auroc", "within_class_at_30", "within_class_auroc"]
    of_target = rows[(rows["target"] == target) & (rows["wanted"] > 0)]
    table = of_target.groupby("ranking")[figures].mean()
    return table.sort_values("found_at_30", ascending=False)


def best_rival(rows: pd.DataFrame, target: str = "disagreements", figure: str = "found_at_30") -> str:
    """The single ranking, neither one of ours nor a control, that is best in this figure."""
    order = means(rows, target).sort_values(figure, ascending=False).index
    return str(next(name for name in order if name not in NO_RIVALS))


def paired(
    rows: pd.DataFrame, ranking: str, rival: str, target: str, figure: str = "found_at_30"
) -> dict[str, float | None]:
    """Mean difference over cohorts that have both, with an interval from seeds drawn with replacement (none below
    ``MIN_PATIENTS`` of them, as for patients)."""
    of_target = rows[(rows["target"] == target) & (rows["wanted"] > 0)]
    wide = of_target.pivot_table(index=["seed", "cohort"], columns="ranking", values=figure)
    if ranking not in wide or rival not in wide:
        return {}
    difference = (wide[ranking] - wide[rival]).dropna().groupby("seed").mean().to_numpy(np.float64)
    if len(difference) < MIN_PATIENTS:
        return {"difference": float(difference.mean()), "low": None, "high": None} if len(difference) else {}
    at_random = generator("audit benchmark", "seeds").integers(len(difference), size=(REPLICATES, len(difference)))
    return _with_interval(float(difference.mean()), difference[at_random].mean(axis=1))


def paired_by_patient(
    tables: Sequence[Table], ranking: str, rival: str, column: str, figure: str
) -> dict[str, float | None]:
    """The same over copies of one study: patients are drawn with replacement, the same in every copy; figures are averaged."""
    one = tables[0].reported
    weight_RV = resample_patients(one["patient_id"].tolist(), REPLICATES, "audit benchmark").weight
    statistic = _STATISTICS[figure]
    values, replicates = [], []
    for table in tables:
        visits = table.reported
        assert visits["visit_id"].tolist() == one["visit_id"].tolist()
        wanted_V = visits[column].to_numpy(bool)
        pair = [visits[name].to_numpy(np.float64) for name in (ranking, rival)]
        plain, drawn = (
            [statistic(inspect(suspicion_V, wanted_V, weights)) for suspicion_V in pair]
            for weights in (np.ones((1, len(visits))), weight_RV)
        )
        values.append(float(plain[0][0] - plain[1][0]))
        replicates.append(drawn[0] - drawn[1])
    return _with_interval(float(np.mean(values)), np.mean(replicates, axis=0))


_STATISTICS: dict[str, Callable[..., Floats]] = {
    "found_at_30": lambda inspection: found_at(inspection, np.array([INSPECTED]))[:, 0],
    "auroc": auroc,
}


def _with_interval(value: float, value_R: Floats) -> dict[str, float | None]:
    edges = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    low, high = np.nanquantile(value_R, edges)
    return {"difference": value, "low": float(low), "high": float(high)}


def calibration(tables: Sequence[Table], probability: str = "expected_disagreement") -> dict[str, float]:
    """Calibration error over the visits of all these cohorts together, and what visits drawn with exactly these probabilities
    would show: the part that is the bins' own noise."""
    p_V = np.concatenate([table.reported[probability].to_numpy(np.float64) for table in tables])
    differs_V = np.concatenate([table.reported["differs"].to_numpy(bool) for table in tables])
    rng = generator("audit benchmark", "calibration")
    by_chance = [calibration_error(p_V, rng.random(len(p_V)) < p_V) for _ in range(200)]
    return {
        "calibration_error": calibration_error(p_V, differs_V),
        "calibration_error_by_chance": float(np.mean(by_chance)),
        "mean_probability": float(p_V.mean()),
        "rate": float(differs_V.mean()),
        "visits": len(p_V),
    }
