"""Rivals of the default as arms of the grid: rankings and lists of other methods, retrained and chosen like the default's.

A ranking has the fractions ``FRACTIONS`` of the training photos as candidates; D3M's the list of its own size beside them.
Photos leave by the product's own ``select`` (every visit keeps ``prune.keep_at_least``, the next in line leaves instead), the
network is trained once on each list, and validation chooses by the noise rule of the default.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd

from benchmarks.planted import rows_of_lists, train_lists
from benchmarks.truth.rivals.groups import auto_d3m, d3m
from benchmarks.truth.rivals.other_rules import list_task, weights_rows
from benchmarks.truth.rivals.rankings import (
    Ranking,
    early_error,
    neighbours,
    outlier_gradients,
    own_loss,
    quality,
    training_photos,
)
from benchmarks.truth.rivals.rounds import QLD, qld_rows, rounds_rows
from grasp_psonet.pruning.selection import select
from grasp_psonet.pruning.settings import PruneSettings, count_of
from grasp_psonet.stage import run_task
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.names import BASELINE, KeepList

Rows = Iterator[dict[str, Any]]
FRACTIONS = (0.02, 0.05, 0.1, 0.2)
NEGATIVE = "negative"  # the list of all photos of negative alignment


@dataclass(frozen=True)
class Ranked:
    """A rival that ranks photos (the highest leaves first); ``has_own_size``: all photos above 0 are a candidate, too."""

    name: str
    ranking: Callable[[Job], Ranking]
    has_own_size: bool = False

    def rows(self, job: Job) -> Rows:
        """The rows of its candidates (``planted.rows_of_lists``); lists and runs are named after it."""
        harm = self.ranking(job)
        lists = [KeepList(f"{self.name}-{size}", k, "") for size, k in self._sizes(harm).items()]
        for one in lists:
            make = partial(keep_list, job, harm, int(one.k))
            run_task(list_task(job, one.name, {"run": job.study.run(BASELINE)}, make))
        train_lists(job, [one.name for one in lists])
        yield from rows_of_lists(job, self.name, lists)

    def _sizes(self, harm: Ranking) -> dict[str, int]:
        """How many photos each candidate takes, by its name; no two take equally many."""
        num_harmful = int((harm > 0).sum())
        sizes = {NEGATIVE: num_harmful} if self.has_own_size and num_harmful else {}
        for fraction in FRACTIONS:
            count = min(count_of(fraction, len(harm)), num_harmful)
            if count and count not in sizes.values():
                sizes[f"k{fraction}"] = count
        return dict(sorted(sizes.items(), key=lambda size: size[1]))


def keep_list(job: Job, harm: Ranking, k: int) -> pd.DataFrame:
    """The keep list that takes the k highest above 0."""
    photos = training_photos(job)
    scores = photos.assign(query_id="all", score=-harm.loc[photos["photo_id"]].to_numpy(float))
    settings = replace(PruneSettings(k=(k,)), keep_at_least=job.settings.prune.keep_at_least)
    return select(scores, photos, job.visits_of("train"), k, settings)


RANKED = (
    Ranked("own_loss", own_loss),
    Ranked("el2n", early_error),
    Ranked("d3m", d3m, has_own_size=True),
    Ranked("auto_d3m", auto_d3m, has_own_size=True),
    Ranked("outlier_gradients", outlier_gradients),
    Ranked("neighbour_ratio", neighbours),
    Ranked("quality", quality),
)
RIVALS: Mapping[str, Callable[[Job], Rows]] = {
    QLD: qld_rows,
    **{one.name: one.rows for one in RANKED},
    "weights": weights_rows,
    "rounds": rounds_rows,
}
