"""Which photos are worth taking again: blurred or dark for what they show, or missing. It informs; nothing is left out.

A photo is compared with photos of the same view, and in brightness of the same skin type as well: a fixed threshold would call
dark skin dark. What it names of planted faults: `make bench-photos`, docs/experiments.md.
"""

import numpy as np
import pandas as pd

from grasp_psonet.tables.columns import (
    BRIGHTNESS,
    BRIGHTNESS_Z,
    CODE,
    FITZPATRICK,
    IS_BLURRED,
    IS_DARK,
    MEASURE,
    NUM_BLURRED,
    NUM_DARK,
    NUM_PHOTOS,
    PHOTO_ID,
    REASON,
    REQUIRED,
    SHARPNESS,
    SHARPNESS_Z,
    USUAL,
    VALUE,
    VIEW,
    VISIT_ID,
)

LOW_Z = -3.0  # robust standard deviations below what is usual
_FEWEST = 20  # photos that say what is usual
_TO_SIGMA = 1.4826  # a median absolute deviation to the standard deviation of a normal distribution


def judged(index: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """One row per photo of the store: photo_id, visit_id, view, fitzpatrick, brightness, sharpness, how far both are from
    what is usual (robust standard deviations; of sharpness, of its logarithm), is_blurred (and not dark,
    which takes sharpness too), is_dark."""
    table = index[[PHOTO_ID, VISIT_ID, VIEW, BRIGHTNESS, SHARPNESS]].reset_index(drop=True)
    table.insert(3, FITZPATRICK, table[VISIT_ID].map(visits.set_index(VISIT_ID)[FITZPATRICK]).astype("string"))
    view, skin = table[VIEW].fillna(""), table[FITZPATRICK].fillna("")
    everything = pd.Series("", index=table.index)
    by_view_and_skin = view + "\n" + skin
    logarithm = pd.Series(np.log10(table[SHARPNESS].to_numpy(np.float64) + 1e-3), index=table.index)
    table[SHARPNESS_Z] = _robust_z(logarithm, [view, everything])
    table[BRIGHTNESS_Z] = _robust_z(table[BRIGHTNESS], [by_view_and_skin, skin, everything])
    table[IS_DARK] = (table[BRIGHTNESS_Z] < LOW_Z).to_numpy(dtype=bool)
    table.insert(8, IS_BLURRED, (table[SHARPNESS_Z] < LOW_Z).to_numpy(dtype=bool) & ~table[IS_DARK])
    return table


def reshoot_list(
    photos: pd.DataFrame, visits: pd.DataFrame, views: pd.DataFrame | None, skipped: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per reason to take a photo again: visit_id, view, photo_id (missing where there is none), fitzpatrick, reason,
    measure, value, usual (the median of like photos). ``photos``: what ``judged`` gave; ``skipped``: photos that could not
    be read."""
    rows = []
    for flag, reason, measure in ((IS_BLURRED, "blurred", SHARPNESS), (IS_DARK, "dark", BRIGHTNESS)):
        usual = photos.groupby([photos[VIEW].fillna(""), photos[FITZPATRICK].fillna("")])[measure].transform("median")
        for row, like in zip(photos[photos[flag]].to_dict("records"), usual[photos[flag]], strict=True):
            rows.append(
                {**{name: row[name] for name in (VISIT_ID, VIEW, PHOTO_ID, FITZPATRICK)}, REASON: reason}
                | {MEASURE: measure, VALUE: round(float(row[measure]), 2), USUAL: round(float(like), 2)}
            )
    skin_of = visits.set_index(VISIT_ID)[FITZPATRICK]
    for row in [] if skipped is None else skipped.to_dict("records"):
        told = {name: row[name] for name in (VISIT_ID, VIEW, PHOTO_ID)}
        rows.append({**told, FITZPATRICK: skin_of.get(row[VISIT_ID]), REASON: f"cannot be read: {row[REASON]}"})
    for code in [] if views is None else views.loc[views[REQUIRED], CODE]:
        seen = set(photos.loc[(photos[VIEW] == code).fillna(False).to_numpy(dtype=bool), VISIT_ID])
        for visit_id in visits.loc[~visits[VISIT_ID].isin(seen), VISIT_ID]:
            rows.append(
                {VISIT_ID: visit_id, VIEW: code, FITZPATRICK: skin_of.get(visit_id), REASON: "missing: a required view"}
            )
    columns = [VISIT_ID, VIEW, PHOTO_ID, FITZPATRICK, REASON, MEASURE, VALUE, USUAL]
    return pd.DataFrame(rows, columns=columns).sort_values([VISIT_ID, VIEW], kind="stable").reset_index(drop=True)


def by_skin_type(photos: pd.DataFrame) -> pd.DataFrame:
    """Per skin type (empty: not told) how many photos there are, their median brightness and sharpness, and how many of them
    are blurred or dark for what they show."""
    groups = photos.groupby(photos[FITZPATRICK].fillna(""), sort=True)
    return pd.DataFrame(
        [
            {
                FITZPATRICK: str(skin),
                NUM_PHOTOS: len(rows),
                BRIGHTNESS: float(rows[BRIGHTNESS].median()),
                SHARPNESS: float(rows[SHARPNESS].median()),
                NUM_BLURRED: int(rows[IS_BLURRED].sum()),
                NUM_DARK: int(rows[IS_DARK].sum()),
            }
            for skin, rows in groups
        ]
    )


def _robust_z(values: "pd.Series[float]", groupings: "list[pd.Series[str]]") -> "pd.Series[float]":
    """How many robust standard deviations each value is from the median of its group: of the first grouping whose group is
    large enough; 0 where none is, or where values hardly differ."""
    found = pd.Series(np.nan, index=values.index)
    for groups in groupings:
        median = values.groupby(groups).transform("median")
        spread = (values - median).abs().groupby(groups).transform("median") * _TO_SIGMA
        is_large = (values.groupby(groups).transform("size") >= _FEWEST) & (spread > 0)
        found = found.fillna(((values - median) / spread.where(spread > 0)).where(is_large))
    return found.fillna(0.0)
