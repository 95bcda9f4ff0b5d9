"""``grasp evaluate``: every run against both readers, with intervals, subgroups and paired comparisons."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.evidence.agreement import reader_agreement
from grasp_psonet.evidence.choose import choose_k, gain_standard_error
from grasp_psonet.evidence.evaluate import evaluate_runs, mean_figure_of_split
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.files import write_json
from grasp_psonet.pruning.fairness import removal_by_group
from grasp_psonet.stages.declared.needs import EvaluateNeeds
from grasp_psonet.stages.names import BASELINE, PROBE, KeepList
from grasp_psonet.tables.columns import RUN, SPLIT, VISIT_ID, val_column
from grasp_psonet.tables.evaluation import AGAINST_RANDOM, AGREEMENT, CONFUSIONS, DIFFERENCES, FIGURES, REMOVAL
from grasp_psonet.tables.out_of_fold import PROBE_PREDICTIONS
from grasp_psonet.tables.runs import PREDICTIONS


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
    visits = cohort.visits
    predictions = {name: [_predictions(run) for run in of_seed] for name, of_seed in runs.items()}
    predictions[PROBE] = [PROBE_PREDICTIONS.read(out_of_fold / "probe.parquet")]
    evaluation = evaluate_runs(predictions, visits, own.outcome, own.evaluate, own.seed)
    FIGURES.write(evaluation.figures, folder / "figures.parquet")
    DIFFERENCES.write(evaluation.differences, folder / "differences.parquet")
    CONFUSIONS.write(evaluation.confusions, folder / "confusions.parquet")
    REMOVAL.write(_removal(own, keep, cohort), folder / "removal.parquet")
    agreement = reader_agreement(visits, own.outcome, own.evaluate, own.seed)
    AGREEMENT.write(agreement, folder / "agreement.parquet")
    choice = choice_of_k(own, keep_lists, predictions, visits)
    run = choice["run"]
    control = next((one.name for one in keep_lists if (one.k, one.control) == (choice["k"], "random")), "")
    if run != BASELINE and control in predictions:
        pair = {control: predictions[control], run: predictions[run]}
        against = evaluate_runs(pair, visits, own.outcome, own.evaluate, own.seed, control).differences
    else:
        against = evaluation.differences.iloc[:0]
    AGAINST_RANDOM.write(against, folder / "against_random.parquet")
    write_json(folder / "choice.json", choice, sort_keys=False)


def choice_of_k(
    own: EvaluateNeeds,
    keep_lists: Sequence[KeepList],
    predictions: Mapping[str, Sequence[pd.DataFrame]],
    visits: pd.DataFrame,
) -> dict[str, Any]:
    """The chosen k (0: no pruning) and its run, with what the choice rests on, by k: the figure that chooses on validation (of
    classes: micro AUC) and the standard
    error of its gain over the baseline (None: not estimable, or the run is the baseline's own, as of a k that removes
    nothing). ``predictions`` by run name, one table per training seed: figures are means over them.
    """
    figures = figures_of(own.outcome)
    pruned = {int(one.k): one.name for one in keep_lists if not one.control}
    names = {0: BASELINE} | {k: name if name in predictions else BASELINE for k, name in pruned.items()}
    val_by_k = {k: mean_figure_of_split(predictions[name], own.outcome, "val") for k, name in names.items()}
    se_by_k = {
        k: None
        if name == BASELINE
        else gain_standard_error(
            predictions[name], predictions[BASELINE], visits, own.outcome, own.evaluate.replicates, own.seed
        )
        for k, name in names.items()
    }
    k = choose_k(val_by_k, se_by_k, own.evaluate.min_gain_se, figures.chooser.sign)
    return {
        "k": k,
        "run": names[k],
        f"{val_column(figures.choosing)}_by_k": _by_text(val_by_k),
        "gain_se_by_k": _by_text(se_by_k),
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


def _by_text(values: dict[int, float | None]) -> dict[str, float | None]:
    return {str(key): value for key, value in values.items()}
