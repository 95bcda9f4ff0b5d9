"""How a score moves over the visits of a patient: change from baseline, and response (PASI-50, PASI-75, PASI-90)."""

# Axes: V visits, F follow-ups (every later visit of a patient whose first visit has a score above 0).

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.evidence import number_metrics as of
from grasp_psonet.evidence.evaluate import OfSeeds, aligned_to
from grasp_psonet.evidence.intervals import Floats, Statistic, estimate_of, replicated, resample_patients
from grasp_psonet.evidence.parts import BETWEEN, numbers
from grasp_psonet.evidence.reliability import mean_of
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import METRIC, PATIENT_ID, PREDICTED, READER, RUN, SPLIT, STUDY_DAY
from grasp_psonet.tables.schemas.evaluation import RESPONSE

RESPONSES = (50, 75, 90)  # per cent by which the score fell from baseline


@dataclass(frozen=True)
class Courses:
    """Rows of a visits table: each follow-up, and the baseline of its patient. ``why_not``: why there is none, else empty."""

    follow_up: "np.ndarray[Any, np.dtype[np.int64]]"
    baseline: "np.ndarray[Any, np.dtype[np.int64]]"
    why_not: str = ""


def courses_of(visits: pd.DataFrame) -> Courses:
    """The follow-ups of patients with several visits on different days; the baseline is the visit of the first day.

    Visits without a day, and patients of whom two visits share the first day, are left out.
    """
    none_F = np.zeros(0, dtype=np.int64)
    if visits[STUDY_DAY].isna().all():
        return Courses(none_F, none_F, "no visit has a study_day, so that none is known to come first")
    dated = visits.reset_index(drop=True)
    dated = dated[dated[STUDY_DAY].notna()]
    first = dated.groupby(PATIENT_ID)[STUDY_DAY].transform("min")
    is_first = dated[STUDY_DAY] == first
    alone = is_first.groupby(dated[PATIENT_ID]).transform("sum") == 1
    at_first = dated[is_first & alone]
    row_of = pd.Series(at_first.index, index=at_first[PATIENT_ID])
    later = dated[~is_first & alone]
    if later.empty:
        return Courses(none_F, none_F, "every patient has one visit, so no response exists")
    return Courses(later.index.to_numpy(np.int64), later[PATIENT_ID].map(row_of).to_numpy(np.int64))


def responses(
    predictions: Mapping[str, OfSeeds],
    visits: pd.DataFrame,
    outcome: Outcome,
    settings: EvaluateSettings,
    seed: int,
    split: str = "test",
) -> pd.DataFrame:
    """One row per (run, reader, figure) over the follow-ups of the split whose baseline the reader scored above 0.

    ``change_mae`` and ``change_bias``: the run's change from its own baseline less the reader's from hers, in points.
    ``response_75_agreement``, ``_kappa`` (Cohen's): whether the score fell by 75 % or more, run against reader;
    ``_rate`` and ``_rate_reader``: the part of the follow-ups that responded. The run ``reader2`` is Reader 2 against Reader 1.
    A run whose baseline is 0 has no response there. Intervals are over patients.
    """
    visits = visits.loc[visits[SPLIT] == split].reset_index(drop=True)
    read = [
        np.array(visits[column].astype("Float64").to_numpy(np.float64, na_value=np.nan), dtype=np.float64)
        for column in outcome.label_columns
    ]
    said = {
        run: [table[PREDICTED].to_numpy(np.float64) for table in aligned_to(visits, tables, run)]
        for run, tables in predictions.items()
    }
    courses = courses_of(visits)
    rows: list[dict[str, object]] = []
    asked = [(run, number, of_seed) for run, of_seed in said.items() for number in (0, 1)]
    for run, number, of_seed in [*asked, (BETWEEN, 0, [read[1]])]:
        value_SV: Floats = np.stack([*of_seed, read[number]])
        is_whole_F = np.isfinite(value_SV[:, courses.follow_up]).all(axis=0)
        is_whole_F &= (np.nan_to_num(value_SV[:, courses.baseline]) > 0).all(axis=0)
        rows_F, base_F = courses.follow_up[is_whole_F], courses.baseline[is_whole_F]
        patients = visits.loc[rows_F, PATIENT_ID].tolist()
        resamples = resample_patients(patients, settings.replicates, seed, split, "response", number)
        why_not = courses.why_not or ("" if len(rows_F) else "no follow-up was scored, with a baseline above 0")
        by_seed = [_figures(one_V, read[number], rows_F, base_F) for one_V in of_seed]
        for metric in by_seed[0]:
            statistics = [figures[metric] for figures in by_seed]
            reason = why_not or "all responded, or none"
            found = estimate_of(replicated(statistics, resamples), resamples, settings.interval_rule, reason)
            rows.append({RUN: run, READER: READERS[number], METRIC: metric} | asdict(found))
    return pd.DataFrame(rows, columns=RESPONSE.names)


def _figures(
    said_V: Floats,
    read_V: Floats,
    rows_F: "np.ndarray[Any, np.dtype[np.int64]]",
    base_F: "np.ndarray[Any, np.dtype[np.int64]]",
) -> dict[str, Statistic]:
    """Each figure as a statistic of weightings of the follow-ups."""
    changes = numbers(said_V[rows_F] - said_V[base_F], read_V[rows_F] - read_V[base_F])
    found: dict[str, Statistic] = {
        "change_mae": partial(of.mean_absolute_error, changes),
        "change_bias": partial(of.bias, changes),
    }
    for per_cent in RESPONSES:
        said_F, read_F = (responded(value_V[rows_F], value_V[base_F], per_cent) for value_V in (said_V, read_V))
        found[f"response_{per_cent}_agreement"] = partial(mean_of, (said_F == read_F).astype(np.float64))
        # of 0 and 1, Lin's concordance is Cohen's kappa
        found[f"response_{per_cent}_kappa"] = partial(of.concordance, numbers(said_F, read_F))
        found[f"response_{per_cent}_rate"] = partial(mean_of, said_F)
        found[f"response_{per_cent}_rate_reader"] = partial(mean_of, read_F)
    return found


def responded(score_F: Floats, baseline_F: Floats, per_cent: int) -> Floats:
    """1 where a score fell by so many per cent of its baseline or more, else 0; baselines are above 0.

    The rounding of scores written with one decimal does not decide: 2.5 of 10 is a fall of 75 %.
    """
    return (100 * (baseline_F - score_F) >= per_cent * baseline_F * (1 - 1e-9)).astype(np.float64)
