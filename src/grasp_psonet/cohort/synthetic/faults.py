"""Which photos carry which fault: random faults that go with nothing, and the planted shortcut."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic.photo import OBJECT
from grasp_psonet.cohort.synthetic.protocol import VIEW_OF, VIEWS
from grasp_psonet.cohort.synthetic.settings import Fault, ShortcutSettings
from grasp_psonet.tables.columns import (
    CARRIES_SHORTCUT,
    DRAWN_VIEW,
    DUPLICATE_OF,
    FAULT,
    IS_SHORTCUT,
    PHOTO_ID,
    SEVERITY_READER1,
    SPLIT,
    VIEW,
    VISIT_ID,
)

FAULTS: tuple[str, ...] = get_args(Fault)


def shortcut_visits(
    visits: pd.DataFrame, shortcut: ShortcutSettings, classes: Sequence[str], seed: int
) -> npt.NDArray[np.bool_]:
    """Which visits carry the shortcut: in training a fraction of one class (by Reader 1) and of no other; in validation
    and test the same fraction of every class. ``visits`` has split and severity_reader1."""
    carries = np.zeros(len(visits), dtype=bool)
    if shortcut.fault == "none":
        return carries
    planted = classes.index(shortcut.severity)
    for split in ("train", "val", "test"):
        for severity in range(len(classes)):
            share = shortcut.other_visits if split != "train" else shortcut.train_visits * (severity == planted)
            rows = np.flatnonzero((visits[SPLIT] == split) & (visits[SEVERITY_READER1] == severity))
            rng = chance.generator("shortcut visits", seed, split, severity)
            carries[rng.permutation(rows)[: round(share * len(rows))]] = True
    return carries


def assign_faults(
    photos: pd.DataFrame, visits: pd.DataFrame, shortcut: ShortcutSettings, rate: float, seed: int
) -> pd.DataFrame:
    """Fault, is_shortcut, duplicate_of and drawn_view of every photo, in the order of ``photos`` (photo_id, visit_id, view).

    The shortcut's fault is left out of the random faults everywhere, so that it says nothing but what was planted.
    ``visits`` has visit_id, split and carries_shortcut.
    """
    random_faults = [fault for fault in FAULTS if fault != shortcut.fault]
    split_of = dict(zip(visits[VISIT_ID], visits[SPLIT], strict=True))
    carriers = set(visits.loc[visits[CARRIES_SHORTCUT], VISIT_ID])
    photo_id, view = photos[PHOTO_ID].to_numpy(dtype=object), photos[VIEW].to_numpy(dtype=object)
    fault, duplicate_of, drawn_view = (
        np.full(len(photos), "none", dtype=object),
        np.full(len(photos), None),
        view.copy(),
    )
    is_shortcut = np.zeros(len(photos), dtype=bool)
    for visit_id, rows in photos.groupby(VISIT_ID, sort=False).indices.items():
        rng = chance.generator("faults", seed, str(visit_id))
        at_random: npt.NDArray[np.int64] = np.asarray(rows[rng.random(len(rows)) < rate])
        fault[at_random] = rng.choice(random_faults, len(at_random))
        if visit_id in carriers:
            share = shortcut.train_photos if split_of[visit_id] == "train" else shortcut.other_photos
            planted = rng.permutation(rows)[: max(1, round(share * len(rows))) if share > 0 else 0]
            fault[planted], is_shortcut[planted] = shortcut.fault, True
        # A duplicate repeats a photo without fault; where the visit has none, its photo stays without fault.
        sources = rows[fault[rows] == "none"]
        for row in rows[fault[rows] == "duplicate"]:
            if len(sources) == 0:
                fault[row], is_shortcut[row] = "none", False
                continue
            source = rng.choice(sources)
            duplicate_of[row], drawn_view[row] = photo_id[source], view[source]
        for row in rows[fault[rows] == "wrong_part"]:
            drawn_view[row] = _another_part(rng, view[row])
    columns = {FAULT: fault, IS_SHORTCUT: is_shortcut, DUPLICATE_OF: duplicate_of, DRAWN_VIEW: drawn_view}
    return pd.DataFrame(columns, index=photos.index)


def _another_part(rng: np.random.Generator, view: str) -> str:
    """A view of another body region, or now and then no body at all."""
    if rng.random() < 0.25:
        return OBJECT
    others = [other.code for other in VIEWS if other.body_region != VIEW_OF[view].body_region]
    return others[int(rng.integers(len(others)))]
