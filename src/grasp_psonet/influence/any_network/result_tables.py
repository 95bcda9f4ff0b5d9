"""Answers as tables: a row for each query and training photo, or each query and edit of a training bag."""

# Axes: Q queries, Z training photos, V training bags, C classes, E edits.

from collections.abc import Sequence

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag
from grasp_psonet.influence.units.bag_edits import LossChanges
from grasp_psonet.tables.columns import EDIT, LABEL, PHOTO, QUERY_ID, VISIT_ID


def score_table(score_QZ: np.ndarray, query_ids: Sequence[str], visits: Sequence[Bag]) -> pd.DataFrame:
    """query_id, visit_id, photo (its place in the bag), score: photos in the order of the bags, query by query."""
    photos = [(bag.visit_id, n) for bag in visits for n in range(len(bag))]
    rows = pd.DataFrame(photos, columns=[VISIT_ID, PHOTO])
    return _for_each(query_ids, rows).assign(score=score_QZ.reshape(-1))


def change_table(found: LossChanges, query_ids: Sequence[str], visits: Sequence[Bag]) -> pd.DataFrame:
    """query_id, visit_id, edit, photo, label, change: edits of all photos, then of all labels, query by query."""
    num_classes = found.relabelled_QBC.shape[2]
    photos = [(bag.visit_id, n) for bag in visits for n in range(len(bag))]
    is_other_VC = np.arange(num_classes)[None] != np.array([bag.label for bag in visits])[:, None]
    labels = [(visits[v].visit_id, c) for v, c in np.argwhere(is_other_VC)]
    parts = [
        pd.DataFrame(
            {
                VISIT_ID: [visit_id for visit_id, _ in named],
                EDIT: edit,
                PHOTO: pd.array([n if which == "photo" else None for _, n in named], dtype="Int64"),
                LABEL: pd.array([c if which == "label" else None for _, c in named], dtype="Int64"),
            }
        )
        for edit, which, named in (
            ("removed", "photo", photos),
            ("alone", "photo", photos),
            ("relabelled", "label", labels),
        )
    ]
    change_QE = np.concatenate([found.removed_QP, found.alone_QP, found.relabelled_QBC[:, is_other_VC]], axis=1)
    return _for_each(query_ids, pd.concat(parts, ignore_index=True)).assign(change=change_QE.reshape(-1))


def _for_each(query_ids: Sequence[str], rows: pd.DataFrame) -> pd.DataFrame:
    """The rows once for every query, with its id in front."""
    table = pd.concat([rows] * len(query_ids), ignore_index=True)
    table.insert(0, QUERY_ID, np.repeat(np.array(query_ids, dtype=object), len(rows)))
    return table
