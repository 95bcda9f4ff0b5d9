"""Which photos carry which fault: random faults that go with nothing, and the planted shortcut."""

from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from grasp_psonet import chance
from grasp_psonet.cohort.severity import SEVERITIES
from grasp_psonet.cohort.synthetic.photo import OBJECT
from grasp_psonet.cohort.synthetic.protocol import VIEW_OF, VIEWS
from grasp_psonet.cohort.synthetic.settings import Fault, ShortcutSettings

FAULTS: tuple[str, ...] = get_args(Fault)


def shortcut_visits(visits: pd.DataFrame, shortcut: ShortcutSettings, seed: int) -> npt.NDArray[np.bool_]:
    """Which visits carry the shortcut: in training a fraction of one class (by Reader 1) and of no other; in validation
    and test the same fraction of every class. ``visits`` has split and severity_reader1."""
    carries = np.zeros(len(visits), dtype=bool)
    if shortcut.fault == "none":
        return carries
    planted = SEVERITIES.index(shortcut.severity)
    for split in ("train", "val", "test"):
        for severity in range(len(SEVERITIES)):
            share = shortcut.other_visits if split != "train" else shortcut.train_visits * (severity == planted)
            rows = np.flatnonzero((visits["split"] == split) & (visits["severity_reader1"] == severity))
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
    visit_of = visits.set_index("visit_id")
    parts = []
    for visit_id, taken in photos.groupby("visit_id", sort=False):
        rng = chance.generator("faults", seed, str(visit_id))
        num_photos = len(taken)
        fault_N = np.full(num_photos, "none", dtype=object)
        at_random = rng.random(num_photos) < rate
        fault_N[at_random] = rng.choice(random_faults, int(at_random.sum()))
        is_shortcut = np.zeros(num_photos, dtype=bool)
        if visit_of.at[visit_id, "carries_shortcut"]:
            share = shortcut.train_photos if visit_of.at[visit_id, "split"] == "train" else shortcut.other_photos
            is_shortcut[rng.permutation(num_photos)[: max(1, round(share * num_photos)) if share > 0 else 0]] = True
            fault_N[is_shortcut] = shortcut.fault
        parts.append(_resolved(rng, taken, fault_N, is_shortcut))
    return pd.concat(parts)


def _resolved(
    rng: np.random.Generator, taken: pd.DataFrame, fault_N: npt.NDArray[np.object_], is_shortcut: npt.NDArray[np.bool_]
) -> pd.DataFrame:
    """The faults of one visit with the photo that each duplicate repeats and the view that each wrong part shows.

    A duplicate repeats a photo without fault; where the visit has none, its photo stays without fault.
    """
    photo_id, view = taken["photo_id"].to_numpy(), taken["view"].to_numpy()
    sources = np.flatnonzero(fault_N == "none")
    duplicate_of: list[str | None] = [None] * len(taken)
    drawn_view = view.copy()
    for row in range(len(taken)):
        if fault_N[row] == "duplicate" and len(sources) == 0:
            fault_N[row], is_shortcut[row] = "none", False
        elif fault_N[row] == "duplicate":
            source = int(rng.choice(sources))
            duplicate_of[row], drawn_view[row] = photo_id[source], view[source]
        elif fault_N[row] == "wrong_part":
            drawn_view[row] = _another_part(rng, view[row])
    return pd.DataFrame(
        {
            "fault": fault_N.astype(str),
            "is_shortcut": is_shortcut,
            "duplicate_of": duplicate_of,
            "drawn_view": drawn_view,
        },
        index=taken.index,
    )


def _another_part(rng: np.random.Generator, view: str) -> str:
    """A view of another body region, or now and then no body at all."""
    if rng.random() < 0.25:
        return OBJECT
    others = [other.code for other in VIEWS if other.body_region != VIEW_OF[view].body_region]
    return others[int(rng.integers(len(others)))]
