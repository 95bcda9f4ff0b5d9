"""Every ranking that out-of-fold predictions, features and the readings themselves give, by the kind of outcome.

Another kind of outcome is one more entry in ``OUT_OF_FOLD_RANKINGS``.
"""

from collections.abc import Callable

import pandas as pd

from grasp_psonet.audit.expected_disagreement import expected_difference, expected_disagreement
from grasp_psonet.audit.label_doubt import crowdlab_ranking, doubt_rankings
from grasp_psonet.audit.neighbours import Floats, neighbour_ratio
from grasp_psonet.audit.simple_rivals import mean_rank, reading_rankings
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.tables.columns import (
    CONFIDENCE_AND_CUTOFF,
    CUTOFF_NEARNESS,
    NEIGHBOUR_RATIO,
    PATIENT_ID,
    RESIDUAL,
    SELF_CONFIDENCE,
    VISIT_ID,
)


def out_of_fold_rankings(
    visits: pd.DataFrame, predictions: pd.DataFrame, feature_VF: Floats, outcome: Outcome
) -> pd.DataFrame:
    """visit_id and the rankings, one row per visit of ``visits``, in its order.

    ``predictions``: one row per visit, averaged over repeats; ``feature_VF``: the mean feature of each visit. crowdlab is
    missing where a visit was not read twice, what needs scores is absent where Reader 1 gave none. Raises EvidenceError
    where Reader 1 gave a single class, of which no scale of classes can be made.
    """
    return OUT_OF_FOLD_RANKINGS[outcome.kind](visits, predictions, feature_VF, outcome)


def _of_classes(visits: pd.DataFrame, predictions: pd.DataFrame, feature_VF: Floats, outcome: Outcome) -> pd.DataFrame:
    told = predictions.set_index(VISIT_ID).loc[visits[VISIT_ID]].reset_index()
    label_V = visits[outcome.label_column].to_numpy("int64")
    patient_ids = visits[PATIENT_ID].astype(str).tolist()
    ratio = pd.DataFrame({VISIT_ID: told[VISIT_ID], NEIGHBOUR_RATIO: neighbour_ratio(feature_VF, label_V, patient_ids)})
    table = doubt_rankings(told, outcome)
    for further in (
        crowdlab_ranking(visits, told, outcome),
        ratio,
        reading_rankings(visits, outcome),
        expected_disagreement(visits, told, outcome),
    ):
        table = table.merge(further, on=VISIT_ID, how="left", validate="1:1")
    if CUTOFF_NEARNESS in table:
        table[CONFIDENCE_AND_CUTOFF] = mean_rank([table[SELF_CONFIDENCE], table[CUTOFF_NEARNESS]])
    return table


def _of_numbers(visits: pd.DataFrame, predictions: pd.DataFrame, feature_VF: Floats, outcome: Outcome) -> pd.DataFrame:
    assert isinstance(outcome, PasiTotal)
    told = predictions.set_index(VISIT_ID).loc[visits[VISIT_ID]].reset_index()
    score_V = visits[outcome.label_column].to_numpy("float64")
    stratum_V = visits[outcome.label_column].map(outcome.stratum_of).to_numpy("int64")
    predicted_V = outcome.points_of(told[outcome.output_columns[0]])
    table = pd.DataFrame(
        {
            VISIT_ID: told[VISIT_ID],
            RESIDUAL: abs(predicted_V - score_V),
            NEIGHBOUR_RATIO: neighbour_ratio(feature_VF, stratum_V, visits[PATIENT_ID].astype(str).tolist()),
        }
    )
    for further in (reading_rankings(visits, outcome), expected_difference(visits, predicted_V, outcome)):
        table = table.merge(further, on=VISIT_ID, how="left", validate="1:1")
    return table


OUT_OF_FOLD_RANKINGS: dict[str, Callable[[pd.DataFrame, pd.DataFrame, Floats, Outcome], pd.DataFrame]] = {
    "classes": _of_classes,
    "pasi": _of_numbers,
    "pasi regional": _of_numbers,
}
