"""Which photos carry which fault: random faults that go with nothing, and the planted shortcut."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic.drawing.photo import OBJECT
from grasp_psonet.cohort.synthetic.protocol import VIEW_OF, VIEWS
from grasp_psonet.cohort.synthetic.settings import RandomFault, ShortcutSettings, SyntheticSettings
from grasp_psonet.tables.columns import (
    CARRIES_SHORTCUT,
    DRAWN_VIEW,
    DUPLICATE_OF,
    FAULT,
    FITZPATRICK,
    IS_SHORTCUT,
    PHOTO_ID,
    SEVERITY_READER1,
    SPLIT,
    VIEW,
    VISIT_ID,
)

RANDOM_FAULTS: tuple[str, ...] = get_args(RandomFault)
Place = Literal["shortcut", "second shortcut"]  # names the chance of each
CARRIES_SECOND = "carries_second_shortcut"  # a column of the drawing alone; the truth tells the two apart by fault
# Faults that would look like a planted one: they are no random faults beside it.
_ALIKE = {"sticker": ("marker",), "ruler": ("marker",)}


def shortcut_visits(
    visits: pd.DataFrame, shortcut: ShortcutSettings, classes: Sequence[str], seed: int, place: Place = "shortcut"
) -> npt.NDArray[np.bool_]:
    """Which visits carry the shortcut: in training a fraction of one class (by Reader 1) and of no other; in validation
    and test the same fraction of every class. ``visits`` has split and severity_reader1, and fitzpatrick where the shortcut
    is of certain skin types: then the fractions are those of the visits of these types."""
    carries = np.zeros(len(visits), dtype=bool)
    if shortcut.fault == "none":
        return carries
    planted = classes.index(shortcut.severity)
    may_carry = ~carries if not shortcut.fitzpatrick else visits[FITZPATRICK].isin(shortcut.fitzpatrick).to_numpy(bool)
    for split in ("train", "val", "test"):
        for severity in range(len(classes)):
            share = shortcut.other_visits if split != "train" else shortcut.train_visits * (severity == planted)
            rows = np.flatnonzero((visits[SPLIT] == split) & (visits[SEVERITY_READER1] == severity) & may_carry)
            rng = chance.generator(f"{place} visits", seed, split, severity)
            carries[rng.permutation(rows)[: round(share * len(rows))]] = True
    return carries


def assign_faults(photos: pd.DataFrame, visits: pd.DataFrame, settings: SyntheticSettings, seed: int) -> pd.DataFrame:
    """Fault, is_shortcut, duplicate_of and drawn_view of every photo, in the order of ``photos`` (photo_id, visit_id, view).

    The shortcuts' faults, and those that look like them, are left out of the random faults everywhere, so that they say
    nothing but what was planted. ``visits`` has visit_id, split, carries_shortcut and CARRIES_SECOND.
    """
    shortcut, second = settings.shortcut, settings.second_shortcut
    told = {fault for one in (shortcut, second) for fault in (one.fault, *_ALIKE.get(one.fault, ()))}
    random_faults = [fault for fault in RANDOM_FAULTS if fault not in told]
    split_of = dict(zip(visits[VISIT_ID], visits[SPLIT], strict=True))
    carriers, also_carry = (set(visits.loc[visits[name], VISIT_ID]) for name in (CARRIES_SHORTCUT, CARRIES_SECOND))
    photo_id, view = photos[PHOTO_ID].to_numpy(dtype=object), photos[VIEW].to_numpy(dtype=object)
    fault, duplicate_of, drawn_view = (
        np.full(len(photos), "none", dtype=object),
        np.full(len(photos), None),
        view.copy(),
    )
    is_shortcut = np.zeros(len(photos), dtype=bool)
    for visit_id, rows in photos.groupby(VISIT_ID, sort=False).indices.items():
        rng = chance.generator("faults", seed, str(visit_id))
        at_random: npt.NDArray[np.int64] = np.asarray(rows[rng.random(len(rows)) < settings.fault_rate])
        fault[at_random] = rng.choice(random_faults, len(at_random))
        if visit_id in carriers:
            planted = rng.permutation(rows)[: planted_photos(shortcut, split_of[visit_id], len(rows))]
            fault[planted], is_shortcut[planted] = shortcut.fault, True
        if visit_id in also_carry:
            free = chance.generator("second shortcut photos", seed, str(visit_id)).permutation(rows[~is_shortcut[rows]])
            planted = free[: planted_photos(second, split_of[visit_id], len(rows))]
            fault[planted], is_shortcut[planted] = second.fault, True
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


def planted_photos(shortcut: ShortcutSettings, split: str, num_photos: int) -> int:
    """How many photos of a visit that carries the shortcut have its fault: at least one, unless the share is 0."""
    share = shortcut.train_photos if split == "train" else shortcut.other_photos
    return max(1, round(share * num_photos)) if share > 0 else 0


def _another_part(rng: np.random.Generator, view: str) -> str:
    """A view of another body region, or now and then no body at all."""
    if rng.random() < 0.25:
        return OBJECT
    others = [other.code for other in VIEWS if other.body_region != VIEW_OF[view].body_region]
    return others[int(rng.integers(len(others)))]
