"""Which region of the body each photo shows: its view, and what views.csv says of that."""

import pandas as pd

from grasp_psonet.cohort.faults import Fault, plain
from grasp_psonet.cohort.text_table import TextTable, value_faults
from grasp_psonet.tables.columns import BODY_REGION, CODE, PHOTO_ID, REGION_NUMBER, VIEW
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

_NAMES = ", ".join(BODY_REGIONS)


def region_numbers(photos: pd.DataFrame, views: pd.DataFrame | None) -> "pd.Series[int]":
    """The number of the region of each photo, from 0 in the order of PASI (Int64); missing where views.csv names none of them.

    A name is known in any case, with blanks or hyphens in place of underscores.
    """
    if views is None or BODY_REGION not in views or VIEW not in photos:
        return pd.Series(pd.NA, index=photos.index, dtype="Int64")
    name = views[BODY_REGION].str.strip().str.casefold().str.replace(r"[\s-]+", "_", regex=True)
    number = name.map({region: place for place, region in enumerate(BODY_REGIONS)}).astype("Int64")
    return photos[VIEW].map(number.set_axis(views[CODE]).groupby(level=0).first()).astype("Int64")


def region_faults(
    table: TextTable, photos: pd.DataFrame, views: pd.DataFrame | None
) -> tuple[list[Fault], list[Fault]]:
    """What keeps photos from being pooled by region, and notes on regions that no photo of the study shows.

    ``photos`` are the rows of the table as they were read.
    """
    if views is None or BODY_REGION not in views or views[BODY_REGION].replace("", pd.NA).isna().all():
        return [
            plain(
                "severity.form regional reads the photos of each region of the body, and no views.csv says which they show"
                f"\n  next: write views.csv with code and body_region ({_NAMES}) for every view of {table.name}, or set"
                " severity.form total"
            )
        ], []
    if VIEW not in photos:
        return [
            Fault(f"no column {VIEW!r}, which severity.form regional reads", table.name, remedy="name each view")
        ], []
    number = region_numbers(photos, views)
    problem = f"a view that views.csv counts to none of {_NAMES} (severity.form regional)"
    faults = value_faults(
        table, VIEW, number.isna(), problem, "name its body_region there, or take the photo out of the table"
    )
    lacking = [region.replace("_", " ") for place, region in enumerate(BODY_REGIONS) if not (number == place).any()]
    notes = [
        plain(
            f"no photo of the study shows {region}: its parts are not assessable in any visit, and every total is completed"
            " from the other regions"
        )
        for region in lacking
    ]
    return faults, notes


def with_regions(index: pd.DataFrame, photos: pd.DataFrame, views: pd.DataFrame | None) -> pd.DataFrame:
    """An index of a store with the region_number of each of its photos."""
    number = region_numbers(photos, views).set_axis(photos[PHOTO_ID])
    return index.assign(**{REGION_NUMBER: index[PHOTO_ID].map(number).astype("int64")})
