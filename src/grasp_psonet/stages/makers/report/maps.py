"""The maps of photos as the report shows them: those of each photo, and what they say together."""

import pandas as pd

from grasp_psonet.report import data
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.arms import estimate_of
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import (
    AGAINST,
    BACKGROUND_AREA,
    BACKGROUND_SHARE,
    DELETION_GAIN,
    INSERTION_GAIN,
    METHOD,
    METRIC,
    NUM_PHOTOS,
    PLAQUE_AREA,
    PLAQUE_SHARE,
    REASON,
    RUN,
    VALUE,
)
from grasp_psonet.tables.schemas.explain import MAP_FIGURES

_ON = {"plaque": (PLAQUE_SHARE, PLAQUE_AREA), "background": (BACKGROUND_SHARE, BACKGROUND_AREA)}


def maps_of(job: Job, chosen: str) -> data.Maps | None:
    """What the maps say together; ``chosen``: the run beside the baseline, or the baseline itself."""
    if job.kind == "features":
        return None
    figures = MAP_FIGURES.read(job.study.explanations / "figures.parquet")
    by_method = [(str(method), rows) for method, rows in figures.groupby(METHOD, sort=False)]
    shares = [
        _share(rows[rows[REASON] == reason], str(reason), method, chosen, on)
        for method, rows in by_method
        for reason in dict.fromkeys(rows[REASON])
        if reason != "all"
        for on in _ON
    ]
    tests = [_test(rows, method, run) for method, rows in by_method for run in dict.fromkeys((BASELINE, chosen))]
    return data.Maps(
        job.settings.explain.methods,
        tuple(shares) if any(share.area.value is not None for share in shares) else (),
        tuple(test for test in tests if test.deletion.value is not None),
    )


def _share(rows: pd.DataFrame, reason: str, method: str, chosen: str, on: str) -> data.MapShare:
    """How much lies on plaque or background, of the photos of one reason by one method."""
    share, area = _ON[on]
    own = {METRIC: share, AGAINST: ""}
    is_pruned = chosen != BASELINE
    of_baseline = rows[(rows[METRIC] == share) & (rows[RUN] == BASELINE)]
    return data.MapShare(
        reason=reason,
        method=method,
        on="plaque" if on == "plaque" else "background",
        photos=int(of_baseline[NUM_PHOTOS].iloc[0]),
        area=estimate_of(rows, VALUE, **{METRIC: area, AGAINST: "", RUN: BASELINE}),
        baseline=estimate_of(rows, VALUE, **own, **{RUN: BASELINE}),
        chosen=estimate_of(rows, VALUE, **own, **{RUN: chosen}) if is_pruned else None,
        change=estimate_of(rows, VALUE, **{METRIC: share, RUN: chosen, AGAINST: BASELINE}) if is_pruned else None,
    )


def _test(rows: pd.DataFrame, method: str, run: str) -> data.MapTest:
    """Deletion and insertion of the maps of one run by one method, over all photos."""
    where = {REASON: "all", RUN: run, AGAINST: ""}
    deletion, insertion = (
        estimate_of(rows, VALUE, **where, **{METRIC: metric}) for metric in (DELETION_GAIN, INSERTION_GAIN)
    )
    of_all = rows[(rows[REASON] == "all") & (rows[RUN] == run) & (rows[METRIC] == DELETION_GAIN)]
    return data.MapTest(run, method, int(of_all[NUM_PHOTOS].iloc[0]), deletion, insertion)
