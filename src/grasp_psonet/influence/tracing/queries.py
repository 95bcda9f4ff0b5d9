"""Queries: misclassified visits, each through its most-attended photo (paper, section 2.1, of the kept network)."""

import pandas as pd

from grasp_psonet.influence.settings import TraceSettings


def find_queries(
    predictions: pd.DataFrame, visits: pd.DataFrame, cutoffs: tuple[float, float], settings: TraceSettings
) -> pd.DataFrame:
    """One row per misclassified visit (argmax against Reader 1) of these predictions of the validation split.

    Columns: query_id (the visit), photo_id (its most-attended photo), label, predicted, loss, readers_disagree,
    near_cutoff (Reader 1's PASI within settings.near_cutoff points of a cut-off), used (False for doubtful queries when
    settings.drop_doubtful_queries). Sorted by query_id; empty when nothing is misclassified.
    """
    wrong = predictions[predictions["predicted"] != predictions["label"]]
    wrong = wrong.sort_values("visit_id")
    told = visits.set_index("visit_id").loc[wrong["visit_id"]]
    second = told["severity_reader2"]
    disagree = (second.notna() & (second != told["severity_reader1"])).fillna(False).to_numpy(dtype=bool)
    distance = pd.concat([(told["pasi_reader1"] - cutoff).abs() for cutoff in cutoffs], axis=1).min(axis=1)
    near = (distance <= settings.near_cutoff).to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            "query_id": wrong["visit_id"].to_numpy(),
            "photo_id": wrong["attended_photo_id"].to_numpy(),
            "label": wrong["label"].to_numpy(),
            "predicted": wrong["predicted"].to_numpy(),
            "loss": wrong["loss"].to_numpy(),
            "readers_disagree": disagree,
            "near_cutoff": near,
            "used": ~(disagree | near) if settings.drop_doubtful_queries else True,
        }
    )
