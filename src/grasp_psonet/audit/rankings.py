"""Every ranking of visits by how suspicious their label is. Higher is more suspicious, in every column.

Axes: D draws (rows of steps.parquet), V visits, C outputs of the network. What outputs say against a label depends on the
outcome and stands in ``doubts.py``.
"""

import numpy as np
import pandas as pd

from grasp_psonet.audit.doubts import doubts_of
from grasp_psonet.chance import generator
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import StageError
from grasp_psonet.tables.columns import (
    AREA_UNDER_MARGIN,
    CLASS_ONLY,
    CONFIDENCE_AND_CUTOFF,
    CONFIDENT_LEARNING,
    CROWDLAB,
    CUTOFF_NEARNESS,
    DRAW,
    EL2N,
    ENTROPY,
    EPOCH,
    EXPECTED_DISAGREEMENT,
    FORGETTING,
    GROSS_ERROR,
    LABEL,
    LARGEST,
    LOSS,
    MARGIN,
    MARGIN_AND_CUTOFF,
    MEAN,
    MEAN_LOSS,
    NEIGHBOUR_RATIO,
    NORMALIZED_MARGIN,
    NUM_DRAWS,
    ORACLE,
    PAPER_AUDIT,
    RANDOM,
    RESIDUAL,
    SELF_CONFIDENCE,
    SELF_INFLUENCE,
    STEP,
    THRESHOLD_FLIP,
    VISIT_ID,
    VISIT_LOSS,
)

KNOWS_SECOND_READING = (CROWDLAB,)  # no curve: it was told what it would have to find
RANKINGS = {
    LARGEST: "largest self-influence of the visit's photos (the paper's)",
    PAPER_AUDIT: "the same of a network trained on train and test, over visits read twice alone (audit.model paper)",
    MEAN: "mean self-influence of the visit's photos",
    VISIT_LOSS: "loss of the visit under the kept model",
    MARGIN: "best other logit minus the label's, kept model; of a number the points it is off beyond the readers' noise",
    MEAN_LOSS: "loss averaged over the visit's draws in training",
    AREA_UNDER_MARGIN: "margin averaged over the visit's draws (Pleiss et al. 2020, sign turned)",
    FORGETTING: "times a draw went wrong after one that was right (Toneva et al. 2019)",
    EL2N: "distance of the probabilities to the label, early epochs (Paul et al. 2021)",
    RESIDUAL: "points from Reader 1's number to the out-of-fold one",
    SELF_CONFIDENCE: "1 less the out-of-fold probability of the label",
    NORMALIZED_MARGIN: "best other out-of-fold probability less the label's, as 0 to 1",
    ENTROPY: "entropy of the out-of-fold probabilities, whatever the label",
    CONFIDENT_LEARNING: "called mislabelled by confident learning (Northcutt et al. 2021), then adjusted self-confidence",
    CROWDLAB: "doubt of out-of-fold probabilities and the other readers about the label (Goh et al. 2022)",
    NEIGHBOUR_RATIO: "nearest visit of the same class against nearest of another (Groeger et al. 2024)",
    CUTOFF_NEARNESS: "points from Reader 1's score to the nearest cut-off, sign turned",
    MARGIN_AND_CUTOFF: "mean rank of area_under_margin and cutoff_nearness",
    CONFIDENCE_AND_CUTOFF: "mean rank of self_confidence and cutoff_nearness",
    EXPECTED_DISAGREEMENT: "probability that another reading gives another class, or a number beyond the readers' noise",
    GROSS_ERROR: "the part of it where Reader 1's class is not the true one; that a number is off by more than twice the noise",
    THRESHOLD_FLIP: "probability that another reading gives another class although Reader 1's class is the true one",
    CLASS_ONLY: "how often readers disagree where Reader 1 gave this class: a control",
    RANDOM: "chance",
    ORACLE: "the disagreement itself: the best any ranking can do",
}


def self_influence_rankings(diagonals: pd.DataFrame) -> pd.DataFrame:
    """visit_id, largest, mean from one row per photo (visit_id, photo_id, self_influence: diagonal of the visit's N x N).

    Raises StageError on NaN.
    """
    broken = int((~np.isfinite(diagonals[SELF_INFLUENCE].to_numpy(np.float64))).sum())
    if broken:
        raise StageError(f"{broken} of {len(diagonals)} self-influence values are NaN or infinite\n  next: trace again")
    of_visit = diagonals.groupby(VISIT_ID)[SELF_INFLUENCE]
    return pd.DataFrame({LARGEST: of_visit.max(), MEAN: of_visit.mean()}).reset_index()


def prediction_rankings(predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """visit_id, visit_loss, margin from rows of predictions.parquet (the kept model, no augmentation)."""
    output_VC = predictions[outcome.output_columns].to_numpy(np.float64)
    return pd.DataFrame(
        {
            VISIT_ID: predictions[VISIT_ID],
            VISIT_LOSS: predictions[LOSS].astype(float),
            MARGIN: doubts_of(outcome, output_VC, predictions[LABEL].to_numpy()).margin_D,
        }
    )


def step_rankings(steps: pd.DataFrame, outcome: Outcome, early_fraction: float = 0.2) -> pd.DataFrame:
    """What training itself said of each drawn visit: visit_id, num_draws, mean_loss, area_under_margin, forgetting, el2n.

    ``steps`` are rows of steps.parquet, one per draw. Area under the margin is averaged over draws, its sign turned.
    Forgetting counts draws that are wrong right after one that was right; a visit never right counts one more than the
    most forgotten. EL2N averages over draws in the first ``early_fraction`` of the epochs; a visit not drawn in them
    enters with its first draw. Visits never drawn are not in the result.
    """
    steps = steps.sort_values([STEP, DRAW], kind="stable").reset_index(drop=True)
    doubts = doubts_of(outcome, steps[outcome.output_columns].to_numpy(np.float64), steps[LABEL].to_numpy())
    epochs = np.sort(steps[EPOCH].unique())
    num_early = int(np.ceil(early_fraction * len(epochs)))
    visit = steps[VISIT_ID]
    is_right = pd.Series(doubts.is_right_D, index=steps.index)
    was_right = is_right.groupby(visit).shift(1, fill_value=False)
    draws = pd.DataFrame(
        {
            VISIT_ID: visit,
            LOSS: steps[LOSS].astype(float),
            MARGIN: doubts.margin_D,
            "is_right": is_right,
            "is_forgotten": was_right & ~is_right,
            "distance": doubts.distance_D,
            "is_early": steps[EPOCH].isin(epochs[:num_early]) | ~visit.duplicated(),
        }
    )
    of_visit = draws.groupby(VISIT_ID)
    forgetting = of_visit["is_forgotten"].sum()
    never_right = ~of_visit["is_right"].any()
    # A first draw after the early epochs means that there is no early one: it then stands in alone.
    early = draws.loc[draws["is_early"]].groupby(VISIT_ID)["distance"].mean()
    return pd.DataFrame(
        {
            NUM_DRAWS: of_visit.size(),
            MEAN_LOSS: of_visit[LOSS].mean(),
            AREA_UNDER_MARGIN: of_visit[MARGIN].mean(),
            FORGETTING: forgetting.mask(never_right, forgetting.max() + 1).astype(float),
            EL2N: early,
        }
    ).reset_index()


def random_ranking(visit_ids: "pd.Series[str]", seed: int) -> pd.DataFrame:
    """visit_id, random: uniform, keyed by seed and visit."""
    rng = [float(generator(seed, "audit random", visit_id).random()) for visit_id in visit_ids]
    return pd.DataFrame({VISIT_ID: visit_ids, RANDOM: rng})
