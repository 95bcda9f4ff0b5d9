"""The parts of PASI: how far a run agrees with a reader, and a reader with the other, on each sign of each region."""

# Axes: V visits, R regions, S parts.

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from grasp_psonet.cohort.pasi_regional import PasiRegional
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.cohort.synthetic.pasi import SUB_SCORES
from grasp_psonet.evidence import number_metrics as of
from grasp_psonet.evidence.evaluate import OfSeeds, aligned_to
from grasp_psonet.evidence.intervals import Floats, Statistic, estimate_of, replicated, resample_patients
from grasp_psonet.evidence.number_metrics import Numbers
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import METRIC, PART, PATIENT_ID, READER, REGION, RUN, SPLIT
from grasp_psonet.tables.schemas.evaluation import PARTS
from grasp_psonet.tables.schemas.truth import BODY_REGIONS

BETWEEN = "reader2"  # in the place of a run: Reader 2 against Reader 1
QUADRATIC_KAPPA, ICC = "quadratic_kappa", "icc"


def agreement_on_parts(
    predictions: Mapping[str, OfSeeds],
    visits: pd.DataFrame,
    outcome: PasiRegional,
    settings: EvaluateSettings,
    seed: int,
    split: str = "test",
) -> pd.DataFrame:
    """One row per (run, reader, region, part, figure), on visits that the reader graded and the run could assess.

    ``quadratic_kappa``: Cohen's with quadratic weights, of grades rounded to whole ones (Fleiss & Cohen 1973). ``icc``:
    ICC(2,1) of expected grades as they are. The run ``reader2`` is Reader 2 against Reader 1. Intervals are over patients; a
    figure that does not exist says why.
    """
    visits = visits.loc[visits[SPLIT] == split].reset_index(drop=True)
    graded = [_grades(visits, outcome.parts_of_reader(reader)) for reader in (0, 1)]
    told = {
        run: [outcome.grades_of(table)[0] for table in aligned_to(visits, tables, run)]
        for run, tables in predictions.items()
    }
    asked = [(run, number, found) for run, found in told.items() for number in (0, 1)]
    rows: list[dict[str, object]] = []
    places = list(product(enumerate(BODY_REGIONS), enumerate(SUB_SCORES)))
    for run, number, of_seed in [*asked, (BETWEEN, 0, [graded[1]])]:
        for (r, region), (s, part) in places:
            read_V, said = graded[number][:, r, s], [found_VRS[:, r, s] for found_VRS in of_seed]
            is_used_V = np.isfinite(read_V) & np.isfinite(np.stack(said)).all(axis=0)
            patients = visits.loc[is_used_V, PATIENT_ID].tolist()
            resamples = resample_patients(patients, settings.replicates, seed, split, "parts", region, part, number)
            why_not = "all grades are one and the same" if is_used_V.any() else "no visit was graded and assessable"
            for metric in (QUADRATIC_KAPPA, ICC):
                statistics = [agreement(metric, said_V[is_used_V], read_V[is_used_V]) for said_V in said]
                found = estimate_of(replicated(statistics, resamples), resamples, settings.interval_rule, why_not)
                place = {RUN: run, READER: READERS[number], REGION: region, PART: part, METRIC: metric}
                rows.append(place | asdict(found))
    return pd.DataFrame(rows, columns=PARTS.names)


def agreement(metric: str, said_V: Floats, read_V: Floats) -> Statistic:
    """The figure of what was said and what a reader read, as a statistic of weightings.

    Cohen's kappa with quadratic weights of whole grades is Lin's concordance of them: its observed disagreement is the mean
    square of their difference, its expected one the variances and the square of the difference of means.
    """
    if metric == ICC:
        return partial(of.absolute_agreement, numbers(said_V, read_V))
    return partial(of.concordance, numbers(np.rint(said_V), np.rint(read_V)))


def numbers(said_V: Floats, read_V: Floats) -> Numbers:
    """Two numbers of each visit, without classes."""
    none_V = np.zeros(len(said_V), dtype=np.int64)
    return Numbers(said_V, read_V, none_V, none_V, 1)


def _grades(visits: pd.DataFrame, columns: tuple[str, ...]) -> Floats:
    """A reader's grades [V, R, S], NaN where there are none."""
    known = visits.reindex(columns=list(columns)).astype("Float64")
    return known.to_numpy(np.float64, na_value=np.nan).reshape(-1, len(BODY_REGIONS), len(SUB_SCORES))
