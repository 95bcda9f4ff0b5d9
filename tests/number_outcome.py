"""Another kind of outcome, known to the tests alone: the score itself, a number, learned by squared error.

It is what a newcomer would write to add one: a value that says what differs, and one entry in each table. Nothing of ``src``
knows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from torch import Tensor

from grasp_psonet.audit.doubts import DOUBTS, Doubts
from grasp_psonet.audit.out_of_fold_rankings import OUT_OF_FOLD_RANKINGS
from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.outcomes import OUTCOMES
from grasp_psonet.cohort.text_table import TextTable
from grasp_psonet.evidence.figures import FIGURES
from grasp_psonet.evidence.reported import Figures, Metric
from grasp_psonet.network.loss import ANSWERS, EVIDENCE, EXPORTED, LOSSES, Exported
from grasp_psonet.out_of_fold.predict import PREDICTORS, Predictor, ProbeInputs
from grasp_psonet.out_of_fold.probe import fit_score_probe
from grasp_psonet.report.shown import tag
from grasp_psonet.report.texts import TEXTS, Texts
from grasp_psonet.tables.columns import PREDICTED

TOLERANCE = 3.0  # points beyond which an answer is an error, and two readers disagree
SCALE = 10.0  # points of one unit of the network's output


class Number(Outcome):
    """The score of Reader 1 as a number; counted and sampled by the classes that the cut-offs make of it."""

    kind: ClassVar[str] = "number"
    label_dtype: ClassVar[str] = "Float64"
    gives_probabilities: ClassVar[bool] = False

    @property
    def num_outputs(self) -> int:
        return 1

    @property
    def output_columns(self) -> list[str]:
        return ["output_score"]

    @property
    def label_columns(self) -> tuple[str, str]:
        first, second = self.score_columns
        return first, second

    def stratum_of(self, label: float) -> int:
        return self.class_of_score(label)

    def columns_of_reader(self, reader: int) -> tuple[str, ...]:
        return (self.score_columns[reader],)

    def read(self, table: TextTable, reader: int) -> tuple[dict[str, pd.Series], list[Fault]]:
        score, faults = self.read_score(table, reader)
        return {self.score_columns[reader]: score}, faults

    def differ(self, first: Any, second: Any) -> Any:
        return abs(first - second) > TOLERANCE

    def in_words(self, predictions: pd.DataFrame) -> pd.DataFrame:
        return predictions[[PREDICTED]]


def squared_error(output_BC: Tensor, label_B: Tensor) -> Tensor:
    return (output_BC[:, 0] - label_B / SCALE) ** 2


def the_number(_: Outcome, output_C: Tensor) -> dict[str, float]:
    output = float(output_C[0])
    return {PREDICTED: SCALE * output, "output_score": output}


def raises_the_number(output_BC: Tensor, label_B: Tensor) -> Tensor:
    del label_B
    return output_BC[:, 0]


@dataclass(frozen=True)
class Numbers:
    """What was said of V visits, and the truth."""

    predicted: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def mean_absolute_error(numbers: Numbers, weight_RV: np.ndarray) -> np.ndarray:
    return _mean(np.abs(numbers.predicted - numbers.label), weight_RV)


def within_tolerance(numbers: Numbers, weight_RV: np.ndarray) -> np.ndarray:
    return _mean((np.abs(numbers.predicted - numbers.label) <= TOLERANCE).astype(float), weight_RV)


def _mean(value_V: np.ndarray, weight_RV: np.ndarray) -> np.ndarray:
    total_R = weight_RV.sum(axis=1)
    return np.divide(weight_RV @ value_V, total_R, out=np.full(len(total_R), np.nan), where=total_R > 0)


def doubts_of_numbers(outcome: Outcome, output_DC: np.ndarray, label_D: np.ndarray) -> Doubts:
    off_D = np.abs(SCALE * output_DC[:, 0] - label_D)
    return Doubts(off_D - TOLERANCE, off_D, ~np.asarray(outcome.differ(SCALE * output_DC[:, 0], label_D)))


def texts_of_numbers(outcome: Outcome) -> Texts:
    word = outcome.score_word
    return Texts(
        predicts=f"{word} in points",
        source="is the one in the table",
        label=str(word),
        differ=f"the two differ by more than {TOLERANCE:g} points",
        differ_head="Differ",
        missed="missed",
        misses="misses",
        evidence=f"raises the {word}",
        no_evidence=f"no place of this photo raises the {word}",
        stratum="severity",
        absent="a group without visits has none",
        limit="Scores are the readers' judgement.",
        shown=lambda label, _: tag(label, "points"),
    )


def _numbers(predicted: Any, label: Any) -> Numbers:
    return Numbers(np.asarray(predicted, dtype=np.float64), np.asarray(label, dtype=np.float64))


def _no_confusions(_: Outcome, __: Any) -> Mapping[tuple[str, str], int]:
    return {}


NUMBER_FIGURES = Figures(
    metrics={
        "mae": Metric(mean_absolute_error, "MAE", "mean absolute error", "MAE is in points", sign=-1, most=72.0),
        "within": Metric(within_tolerance, "Within tolerance", "share within tolerance", "Within counts visits"),
    },
    choosing="mae",
    shown=("mae", "within"),
    between_readers={"mae": "mae"},
    ceiling="mae",
    answers=lambda _, predictions, labels: _numbers(predictions[PREDICTED], labels),
    between=lambda _, second, first: _numbers(second, first),
    why_not=lambda *_: "no visits",
    why_not_between="no visits",
    lacks="validation has no visit",
    confusions=_no_confusions,
    prior=lambda _, trained, num: pd.DataFrame({PREDICTED: np.full(num, trained.to_numpy(np.float64).mean())}),
    prior_word="the mean score",
)


def predict_numbers(learned: ProbeInputs, new: ProbeInputs, seed: int) -> pd.DataFrame:
    score_V = learned.scores
    assert score_V is not None
    fitted = fit_score_probe(learned.feature_VF, score_V, learned.strata, learned.patient_ids, seed)
    return pd.DataFrame({"output_score": fitted(new.feature_VF) / SCALE})


NUMBER_PREDICTOR = Predictor(
    lambda outcome: outcome.output_columns, predict_numbers, lambda _, told: SCALE * told["output_score"].to_numpy()
)


def no_rankings_out_of_fold(visits: pd.DataFrame, *_: object) -> pd.DataFrame:
    return visits[["visit_id"]]


def register_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enters the kind in every table, until the test ends."""
    for table, entry in (
        (OUTCOMES, Number),
        (LOSSES, lambda _: squared_error),
        (ANSWERS, the_number),
        (EVIDENCE, raises_the_number),
        (EXPORTED, Exported("outputs", "points", lambda _, output_BC: SCALE * output_BC)),
        (FIGURES, NUMBER_FIGURES),
        (DOUBTS, doubts_of_numbers),
        (PREDICTORS, NUMBER_PREDICTOR),
        (OUT_OF_FOLD_RANKINGS, no_rankings_out_of_fold),
        (TEXTS, texts_of_numbers),
    ):
        monkeypatch.setitem(table, Number.kind, entry)  # type: ignore[attr-defined]
