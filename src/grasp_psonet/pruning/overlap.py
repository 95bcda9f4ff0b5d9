"""What pruning removed: the overlap of the queries' choices (paper 3.3)."""

from collections.abc import Mapping, Sequence

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.tables.columns import DEVICE, FITZPATRICK, KEPT, NUM_QUERIES, PHOTO_ID, VIEW, VISIT_ID

OVERLAP_COLUMNS = [
    *("k", "num_queries", "maximum", "num_choices", "num_chosen", "num_kept_back", "num_removed"),
    *("num_training_photos", "percent"),
]
RATE_COLUMNS = ["column", "group", "num_photos", "num_removed", "percent"]
_USUAL_COLUMNS = (VIEW, FITZPATRICK, DEVICE)


def percent_of(part: int, whole: int) -> float:
    """100 part / whole; NaN of nothing."""
    return 100 * part / whole if whole else float("nan")


def most_possible(k: int, num_rankings: int, num_photos: int) -> int:
    """Photos that this many rankings can take at most, k each; never more than there are."""
    return min(k * num_rankings, num_photos)


def overlap_table(keep_by_k: Mapping[int, pd.DataFrame], num_queries: int | None) -> pd.DataFrame:
    """One row per k of keep lists, as in the paper's 3.3 and Table 1.

    ``num_queries`` counts the queries that have a ranking of their own (1 where one ranking serves all); None for a
    control, which no query chose: what tells of choices is then None. maximum: ``most_possible``; num_choices = photos
    over all queries, counted as often as chosen (below k x num_queries where a query had fewer than k eligible photos;
    above it where whole visits or patients leave); num_chosen =
    different photos chosen; num_kept_back of them stayed (last of a visit, cap); num_removed left, as percent of the
    training photos.
    """
    rows = []
    for k, keep in sorted(keep_by_k.items()):
        num_chosen, num_removed = int((keep[NUM_QUERIES] > 0).sum()), int((~keep[KEPT]).sum())
        choices: tuple[int | None, ...] = (None,) * 5
        if num_queries is not None:
            maximum, num_choices = most_possible(k, num_queries, len(keep)), int(keep[NUM_QUERIES].sum())
            choices = (num_queries, maximum, num_choices, num_chosen, num_chosen - num_removed)
        rows.append((k, *choices, num_removed, len(keep), percent_of(num_removed, len(keep))))
    return pd.DataFrame(rows, columns=OVERLAP_COLUMNS)


def removal_rates(
    keep: pd.DataFrame,
    photos: pd.DataFrame,
    visits: pd.DataFrame,
    outcome: Outcome,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """How much of each group left: one row per (column, group), the first one for all training photos.

    Columns are looked for in ``photos``, then in ``visits``; by default the stratum (class by Reader 1), view, skin type and
    device, those that exist. Missing values are the group "not recorded".
    """
    further_photos = photos.drop(columns=VISIT_ID).drop_duplicates(PHOTO_ID)
    table = keep[[PHOTO_ID, VISIT_ID, KEPT]].merge(further_photos, on=PHOTO_ID, how="left", validate="1:1")
    new = [column for column in visits.columns if column not in table or column == "visit_id"]
    table = table.merge(visits[new], on=VISIT_ID, how="left", validate="m:1")
    if columns is None:
        columns = [column for column in (outcome.label_column, *_USUAL_COLUMNS) if column in table]
    rows: list[tuple[str, str, int, int, float]] = []
    for column in columns:
        values = table[column]
        if column in (*outcome.label_columns, outcome.label_column):
            values = values.map(lambda label: outcome.strata[outcome.stratum_of(label)], na_action="ignore")
            values = values.astype(pd.CategoricalDtype(list(outcome.strata), ordered=True))
        for group, members in table.groupby(values, dropna=False, observed=True):
            rows.append((column, "not recorded" if pd.isna(group) else str(group), *_removed(members)))
    return pd.DataFrame([("all", "all", *_removed(table)), *rows], columns=RATE_COLUMNS)


def _removed(members: pd.DataFrame) -> tuple[int, int, float]:
    num_removed = int((~members[KEPT]).sum())
    return len(members), num_removed, percent_of(num_removed, len(members))
