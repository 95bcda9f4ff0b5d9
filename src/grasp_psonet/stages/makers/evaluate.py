"""``grasp evaluate``: every run against both readers, with intervals, subgroups and paired comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.label_rules import ADJUDICATOR, adjudicated_labels, all_readings
from grasp_psonet.cohort.pasi_regional import PasiRegional
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.evidence.agreement import reader_agreement
from grasp_psonet.evidence.beside_readers import beside_readers
from grasp_psonet.evidence.choose import Candidate, choose, gain_standard_error
from grasp_psonet.evidence.evaluate import OfSeeds, evaluate_runs, mean_figure_of_split
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.pairs import differences_of_pairs
from grasp_psonet.evidence.parts import agreement_on_parts
from grasp_psonet.evidence.response import responses
from grasp_psonet.files import write_json
from grasp_psonet.pruning.fairness import removal_by_group
from grasp_psonet.stages.declared.needs import EvaluateNeeds
from grasp_psonet.stages.names import BASELINE, PROBE, KeepList
from grasp_psonet.tables.columns import ROLE, RUN, SPLIT, VISIT_ID, val_column
from grasp_psonet.tables.schemas.evaluation import (
    AGAINST_RANDOM,
    AGREEMENT,
    BESIDE_READERS,
    CONFUSIONS,
    DIFFERENCES,
    FIGURES,
    PAIRS,
    PARTS,
    REMOVAL,
    RESPONSE,
)
from grasp_psonet.tables.schemas.out_of_fold import PROBE_PREDICTIONS
from grasp_psonet.tables.schemas.runs import PREDICTIONS


def make_evaluation(
    folder: Path,
    own: EvaluateNeeds,
    runs: Mapping[str, Sequence[Path]],
    keep_lists: Sequence[KeepList],
    keep: Mapping[str, pd.DataFrame],
    cohort: Cohort,
    out_of_fold: Path,
) -> None:
    """The tables of the evaluation of these runs (of every training seed) by name and of the probe, and the choice among the
    keep lists (all made); ``keep`` holds those that remove something, by name."""
    visits, outcome = cohort.visits, cohort.outcome
    predictions = {name: [_predictions(run) for run in of_seed] for name, of_seed in runs.items()}
    predictions[PROBE] = [PROBE_PREDICTIONS.read(out_of_fold / "probe.parquet")]
    adjudicated = _adjudicated(cohort)
    evaluation = evaluate_runs(predictions, visits, outcome, own.evaluate, own.seed, BASELINE, adjudicated)
    FIGURES.write(evaluation.figures, folder / "figures.parquet")
    DIFFERENCES.write(evaluation.differences, folder / "differences.parquet")
    CONFUSIONS.write(evaluation.confusions, folder / "confusions.parquet")
    of_runs = {name: of_seed for name, of_seed in predictions.items() if name != PROBE}
    PAIRS.write(differences_of_pairs(of_runs, visits, outcome, own.evaluate, own.seed), folder / "pairs.parquet")
    REMOVAL.write(_removal(own, keep, cohort), folder / "removal.parquet")
    agreement = reader_agreement(visits, outcome, own.evaluate, own.seed)
    AGREEMENT.write(agreement, folder / "agreement.parquet")
    BESIDE_READERS.write(
        beside_readers(predictions, visits, outcome, own.evaluate, own.seed), folder / "beside_readers.parquet"
    )
    _write_of_numbers(folder, own, predictions, cohort)
    choice = choice_of_run(own, keep_lists, predictions, visits)
    run = choice["run"]
    control = next((one.name for one in keep_lists if (one.pruning, one.control) == (run, "random")), "")
    if run != BASELINE and control in predictions:
        pair = {control: predictions[control], run: predictions[run]}
        against = evaluate_runs(pair, visits, outcome, own.evaluate, own.seed, control).differences
    else:
        against = evaluation.differences.iloc[:0]
    AGAINST_RANDOM.write(against, folder / "against_random.parquet")
    write_json(folder / "choice.json", choice, sort_keys=False)


def _adjudicated(cohort: Cohort) -> "pd.Series[Any] | None":
    """The adjudicated labels of the study; None where nobody adjudicated a test visit.

    Of the study's own readings alone, not of rounds that were read later: a model's suspicion chose what these hold, so
    that labels of theirs would move towards the model, and its figures with them.
    """
    readings = all_readings(cohort.visits, cohort.readings, cohort.outcome)
    tested = cohort.visits.loc[cohort.visits[SPLIT] == "test", VISIT_ID]
    decided = readings.loc[readings[ROLE] == ADJUDICATOR, VISIT_ID]
    return adjudicated_labels(cohort.visits, readings, cohort.outcome) if decided.isin(tested).any() else None


def _write_of_numbers(folder: Path, own: EvaluateNeeds, predictions: Mapping[str, OfSeeds], cohort: Cohort) -> None:
    """Of a number: change and response over visits; of one that is made of parts: the agreement on these."""
    outcome = cohort.outcome
    if outcome.is_ordinal:
        return
    found = responses(predictions, cohort.visits, outcome, own.evaluate, own.seed)
    RESPONSE.write(found, folder / "response.parquet")
    if isinstance(outcome, PasiRegional):
        graded = {run: of_seed for run, of_seed in predictions.items() if run != PROBE}
        PARTS.write(
            agreement_on_parts(graded, cohort.visits, outcome, own.evaluate, own.seed), folder / "parts.parquet"
        )


def choice_of_run(
    own: EvaluateNeeds,
    keep_lists: Sequence[KeepList],
    predictions: Mapping[str, Sequence[pd.DataFrame]],
    visits: pd.DataFrame,
) -> dict[str, Any]:
    """The chosen run (the baseline: no pruning) and its k, with what the choice rests on, by run: the figure that chooses on
    validation (of classes: micro AUC) and the standard error of its gain over the baseline (None: not estimable, or the run
    is the baseline's own, as of a keep list that removes nothing). ``predictions`` by run name, one table per training seed:
    figures are means over them.
    """
    figures = figures_of(own.outcome)
    candidates = {BASELINE: Candidate(0, mean_figure_of_split(predictions[BASELINE], own.outcome, "val"))}
    for one in keep_lists:
        if one.control:
            continue
        if one.name not in predictions:
            candidates[one.name] = replace(candidates[BASELINE], k=int(one.k))
            continue
        of_seeds = predictions[one.name]
        gain_se = gain_standard_error(
            of_seeds, predictions[BASELINE], visits, own.outcome, own.evaluate.replicates, own.seed
        )
        val = mean_figure_of_split(of_seeds, own.outcome, "val")
        candidates[one.name] = Candidate(int(one.k), val, gain_se)
    run = choose(candidates, own.evaluate.min_gain_se, figures.chooser.sign)
    run = run if run in predictions else BASELINE
    return {
        "k": candidates[run].k,
        "run": run,
        "k_by_run": {name: one.k for name, one in candidates.items()},
        f"{val_column(figures.choosing)}_by_run": {name: one.val for name, one in candidates.items()},
        "gain_se_by_run": {name: one.gain_se for name, one in candidates.items()},
    }


def _removal(own: EvaluateNeeds, keep: Mapping[str, pd.DataFrame], cohort: Cohort) -> pd.DataFrame:
    """What every keep list takes from whom."""
    visits = cohort.visits[cohort.visits[SPLIT] == "train"]
    photos = cohort.photos[cohort.photos[VISIT_ID].isin(visits[VISIT_ID])]
    found = [
        removal_by_group(table, photos, visits, own.outcome, own.evaluate, own.seed).assign(**{RUN: name})
        for name, table in keep.items()
    ]
    return pd.concat(found, ignore_index=True)[REMOVAL.names] if found else pd.DataFrame(columns=REMOVAL.names)


def _predictions(run: Path) -> pd.DataFrame:
    return PREDICTIONS.read(run / "predictions.parquet")
