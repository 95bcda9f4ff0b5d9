"""How many of an error's own strongest photos its list holds where photos are chosen by the ranking of all errors.

    python -m benchmarks.lists_of_errors STUDY        a study whose baseline was traced with ``trace.pairs: all``

With ``trace.pairs: top`` single errors have scores for the photos at both ends of the common ranking alone. Here every pair is
known, so that the ten photos shown of each error are compared with its own ten, beside as many photos chosen at random.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import grasp_psonet
from benchmarks.record import write_result
from grasp_psonet.stages.makers.tracing.pairs import photos_at_the_ends
from grasp_psonet.tables.schemas.traces import SCORES

SHOWN = 10


def agreement(scores: pd.DataFrame, group_of: dict[str, object]) -> dict[str, float]:
    """``scores``: query_id, photo_id, score of every pair; ``group_of``: the class of a photo's visit, by photo id.

    Means over errors: of the ten most harmful and the ten most helpful photos of an error, how many are among the ten shown;
    the part of errors whose most harmful photo is; and what photos kept at random would give.
    """
    by_error = scores.pivot_table(index="query_id", columns="photo_id", values="score")
    ids, score_QZ = np.array(by_error.columns), by_error.to_numpy()
    kept = photos_at_the_ends(score_QZ.sum(axis=0), list(ids), [group_of[str(one)] for one in ids], len(score_QZ))
    is_kept_Z = np.isin(ids, sorted(kept))
    own_QZ = np.argsort(score_QZ, axis=1, kind="stable")
    return {
        "errors": len(score_QZ),
        "photos": len(ids),
        "photos_kept": len(kept),
        "harmful_of_ten": float(np.mean([is_kept_Z[own_Z[:SHOWN]].sum() for own_Z in own_QZ])),
        "helpful_of_ten": float(np.mean([is_kept_Z[own_Z[-SHOWN:]].sum() for own_Z in own_QZ])),
        "most_harmful_is_shown": float(is_kept_Z[own_QZ[:, 0]].mean()),
        "of_ten_at_random": SHOWN * float(is_kept_Z.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--name", default="lists-of-errors", help="of the result file")
    words = parser.parse_args()
    study = grasp_psonet.open_study(words.study)
    scores = SCORES.read(words.study / "traces" / "cosine" / "scores.parquet")
    labels = study.predictions("baseline").set_index("visit_id")["label"]
    group_of = {str(photo): labels[visit] for photo, visit in zip(scores["photo_id"], scores["visit_id"], strict=True)}
    figures: dict[str, Any] = dict(agreement(scores, group_of))
    write_result(words.name, figures)


if __name__ == "__main__":
    main()
