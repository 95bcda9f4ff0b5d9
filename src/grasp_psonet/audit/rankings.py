"""Every ranking of visits by how suspicious their label is. Higher is more suspicious, in every column.

Axes: D draws (rows of steps.parquet), V visits, C classes.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from grasp_psonet.chance import generator
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import StageError

Floats = NDArray[np.float64]
RANKINGS = {
    "largest": "largest self-influence of the visit's photos (the paper's)",
    "mean": "mean self-influence of the visit's photos",
    "visit_loss": "loss of the visit under the kept model",
    "margin": "best other logit minus the label's, kept model",
    "mean_loss": "loss averaged over the visit's draws in training",
    "area_under_margin": "margin averaged over the visit's draws (Pleiss et al. 2020, sign turned)",
    "forgetting": "times a draw went wrong after one that was right (Toneva et al. 2019)",
    "el2n": "distance of the probabilities to the label, early epochs (Paul et al. 2021)",
    "confident_learning": "doubt of out-of-fold probabilities about the label",
    "crowdlab": "doubt of out-of-fold probabilities and the other readers about the label",
    "random": "chance",
    "oracle": "the disagreement itself: the best any ranking can do",
}


def self_influence_rankings(diagonals: pd.DataFrame) -> pd.DataFrame:
    """visit_id, largest, mean from one row per photo (visit_id, photo_id, self_influence: diagonal of the visit's N x N).

    Raises StageError on NaN.
    """
    broken = int((~np.isfinite(diagonals["self_influence"].to_numpy(np.float64))).sum())
    if broken:
        raise StageError(f"{broken} of {len(diagonals)} self-influence values are NaN or infinite\n  next: trace again")
    of_visit = diagonals.groupby("visit_id")["self_influence"]
    return pd.DataFrame({"largest": of_visit.max(), "mean": of_visit.mean()}).reset_index()


def prediction_rankings(predictions: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """visit_id, visit_loss, margin from rows of predictions.parquet (the kept model, no augmentation)."""
    logit_VC = predictions[outcome.output_columns].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "visit_id": predictions["visit_id"],
            "visit_loss": predictions["loss"].astype(float),
            "margin": margin_against(logit_VC, predictions["label"].to_numpy(np.int64)),
        }
    )


def step_rankings(steps: pd.DataFrame, outcome: Outcome, early_fraction: float = 0.2) -> pd.DataFrame:
    """What training itself said of each drawn visit: visit_id, num_draws, mean_loss, area_under_margin, forgetting, el2n.

    ``steps`` are rows of steps.parquet, one per draw. Area under the margin is averaged over draws, its sign turned.
    Forgetting counts draws that are wrong right after one that was right; a visit never right counts one more than the
    most forgotten. EL2N averages over draws in the first ``early_fraction`` of the epochs; a visit not drawn in them
    enters with its first draw. Visits never drawn are not in the result.
    """
    steps = steps.sort_values(["step", "draw"], kind="stable").reset_index(drop=True)
    logit_DC, label_D = steps[outcome.output_columns].to_numpy(np.float64), steps["label"].to_numpy(np.int64)
    epochs = np.sort(steps["epoch"].unique())
    num_early = int(np.ceil(early_fraction * len(epochs)))
    visit = steps["visit_id"]
    is_right = pd.Series(logit_DC.argmax(axis=1) == label_D, index=steps.index)
    was_right = is_right.groupby(visit).shift(1, fill_value=False)
    distance = np.linalg.norm(softmax(logit_DC, axis=1) - np.eye(logit_DC.shape[1])[label_D], axis=1)
    draws = pd.DataFrame(
        {
            "visit_id": visit,
            "loss": steps["loss"].astype(float),
            "margin": margin_against(logit_DC, label_D),
            "is_right": is_right,
            "is_forgotten": was_right & ~is_right,
            "distance": distance,
            "is_early": steps["epoch"].isin(epochs[:num_early]) | ~visit.duplicated(),
        }
    )
    of_visit = draws.groupby("visit_id")
    forgetting = of_visit["is_forgotten"].sum()
    never_right = ~of_visit["is_right"].any()
    # A first draw after the early epochs means that there is no early one: it then stands in alone.
    early = draws.loc[draws["is_early"]].groupby("visit_id")["distance"].mean()
    return pd.DataFrame(
        {
            "num_draws": of_visit.size(),
            "mean_loss": of_visit["loss"].mean(),
            "area_under_margin": of_visit["margin"].mean(),
            "forgetting": forgetting.mask(never_right, forgetting.max() + 1).astype(float),
            "el2n": early,
        }
    ).reset_index()


def random_ranking(visit_ids: "pd.Series[str]", seed: int) -> pd.DataFrame:
    """visit_id, random: uniform, keyed by seed and visit."""
    rng = [float(generator(seed, "audit random", visit_id).random()) for visit_id in visit_ids]
    return pd.DataFrame({"visit_id": visit_ids, "random": rng})


def margin_against(logit_DC: Floats, label_D: NDArray[np.int64]) -> Floats:
    """Best other logit minus the label's [D]: positive where the label is not the prediction."""
    own_D = logit_DC[np.arange(len(label_D)), label_D]
    is_own_DC = np.arange(logit_DC.shape[1]) == label_D[:, None]
    margin_D: Floats = np.where(is_own_DC, -np.inf, logit_DC).max(axis=1, initial=-np.inf) - own_D
    return margin_D
