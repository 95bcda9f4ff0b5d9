"""Everything that the report shows, gathered from the study's stages into one value."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.settings import READER1
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.reported import Figures
from grasp_psonet.files import read_json
from grasp_psonet.proof import read_note
from grasp_psonet.report import data
from grasp_psonet.report.texts import texts_of
from grasp_psonet.report.traced import Traced
from grasp_psonet.settings import dotted_paths
from grasp_psonet.stages.checking.skipped import leak_warning, skipped_warning
from grasp_psonet.stages.drawn import is_synthetic
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.report.arms import (
    READERS,
    arms_of,
    confusion_of,
    estimate_of,
    improvement_of,
    probe_of,
    subgroups_of,
)
from grasp_psonet.stages.makers.report.clock import clock_of
from grasp_psonet.stages.makers.report.compared import compared_of
from grasp_psonet.stages.makers.report.curves import curves_of
from grasp_psonet.stages.makers.report.detail import detail_of
from grasp_psonet.stages.makers.report.explorer import photos_of
from grasp_psonet.stages.makers.report.faces import hidden_note
from grasp_psonet.stages.makers.report.findings import audit_of, removal_of, removal_warnings_of, truth_of
from grasp_psonet.stages.makers.report.gallery import error_gallery, flagged_gallery
from grasp_psonet.stages.makers.report.maps import maps_of
from grasp_psonet.stages.makers.report.over_time import over_time_of
from grasp_psonet.stages.makers.report.reread import reading_of
from grasp_psonet.stages.makers.report.shared import diagnosis_of
from grasp_psonet.stages.makers.report.traced import traced_of
from grasp_psonet.stages.makers.tracing.trace import kept_queries
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import PATIENT_ID, QUERY_ID, SPLIT, USED, VISIT_ID, val_column
from grasp_psonet.tables.schemas.evaluation import AGAINST_RANDOM, AGREEMENT, CONFUSIONS, DIFFERENCES, FIGURES, REMOVAL
from grasp_psonet.tables.schemas.traces import QUERIES

_SEED_LIMIT = {
    False: "Intervals resample patients and hold the trained networks fixed: another training seed is not in them.",
    True: "Intervals resample patients and the training seeds that were trained: with few seeds their spread is a guess.",
}
_GALLERY_BYTES = 2_000_000
_LIMITS = (
    "k is chosen on the validation split alone; with few validation visits the choice is uncertain.",
    "Influence scores are first-order estimates; only the retraining shows what removal does.",
)


def gather(job: Job) -> data.ReportData:
    """Everything that the report shows, read from the study's stages."""
    study, told = job.study, figures_of(job.outcome)
    evaluation = _evaluation(study)
    choice = read_json(study.evaluation / "choice.json")
    metrics = read_json(study.run(BASELINE) / "metrics.json")
    queries = QUERIES.read(study.trace(job.trace_name()) / "queries.parquet")
    baseline = TrainedRun(job)
    errors = kept_queries(baseline, study.trace(job.trace_name()))
    num_queries = int(queries.loc[queries[USED].astype(bool), QUERY_ID].nunique())
    readers = _readers(job)
    chosen = choice["run"]
    removed_by = None if chosen == BASELINE else chosen
    train_photos = job.cohort.photos[VISIT_ID].isin(job.visits_of("train")[VISIT_ID])
    traced = traced_of(job, baseline.kept_step, removed_by)
    arms = arms_of(job, evaluation, readers, job.num_rankings(num_queries))
    return data.ReportData(
        study=study.folder.resolve().name,
        is_synthetic=is_synthetic(job),
        encoder=metrics["encoder"]["name"],
        formula=job.settings.trace.formula,
        end=job.settings.prune.end,
        remove=job.settings.prune.remove,
        confidence=job.settings.evaluate.confidence,
        readers=readers,
        splits=tuple(_split(job, split) for split in ("train", "val", "test")),
        train_photos=int(train_photos.sum()),
        num_queries=num_queries,
        min_gain_se=job.settings.evaluate.min_gain_se,
        has_one_ranking=job.has_one_ranking,
        of_every_epoch=job.settings.trace.errors == "each_anchor",
        num_errors=len(errors),
        arms=arms,
        chosen=chosen,
        making=_making(job, metrics),
        outcome=job.cohort.outcome,
        against_random=_against_random(evaluation["against_random"], chosen, readers, told),
        ceiling=estimate_of(evaluation["agreement"], "value", split="test", group="all", metric=told.ceiling)
        if "Reader 2" in readers
        else None,
        confusions=tuple(
            confusion_of(evaluation["confusions"], run, reader)
            for run in dict.fromkeys((BASELINE, chosen))
            for reader in (readers if len(evaluation["confusions"]) else ())
        ),
        flagged=flagged_gallery(job, removed_by),
        removal=() if removed_by is None else removal_of(evaluation["removal"], removed_by),
        removal_warnings=removal_warnings_of(
            evaluation["removal"], [one.name for one in made_keep_lists(job).retrained if not one.control]
        ),
        errors=error_gallery(job, errors),
        maps=maps_of(job, chosen),
        audit=audit_of(job),
        subgroups=subgroups_of(evaluation["figures"], chosen, readers, told),
        truth=truth_of(job, removed_by),
        probe=probe_of(job, evaluation, readers, told),
        training_seeds=job.settings.evaluate.training_seeds,
        learning=read_json(study.learning / "verdict.json")["verdict"],
        diagnosis=diagnosis_of(job),
        detail=detail_of(job, evaluation, chosen, readers),
        over_time=over_time_of(job, chosen, readers),
        reading=reading_of(job, readers, evaluation["figures"]),
        traced=traced,
        curves=curves_of(job),
        clock=clock_of(job, metrics),
        compared=compared_of(job, tuple(arm.name for arm in arms), readers),
        photos=photos_of(job, removed_by, _bytes_of_pictures(traced)),
    )


def _evaluation(study: Study) -> dict[str, pd.DataFrame]:
    """Tables of the evaluation by name."""
    return {
        name: table.read(study.evaluation / f"{name}.parquet")
        for name, table in (
            ("figures", FIGURES),
            ("differences", DIFFERENCES),
            ("confusions", CONFUSIONS),
            ("agreement", AGREEMENT),
            ("against_random", AGAINST_RANDOM),
            ("removal", REMOVAL),
        )
    }


def _readers(job: Job) -> tuple[str, ...]:
    """Readers of the page: those who read a test visit."""
    visits = job.cohort.visits
    return tuple(
        reader
        for reader, column in zip(READERS, job.outcome.label_columns, strict=True)
        if visits.loc[visits[SPLIT] == "test", column].notna().any()
    )


def _against_random(
    table: pd.DataFrame, chosen: str, readers: tuple[str, ...], told: Figures
) -> tuple[data.Estimate, ...]:
    """The difference of the chosen run to its random control by reader; none where there is no control."""
    return tuple(
        improvement_of(table, told.chooser, run=chosen, reader=READERS[reader], group="all", metric=told.choosing)
        for reader in (readers if len(table) else ())
    )


def _bytes_of_pictures(traced: Traced) -> int:
    """What thumbnails of errors and the galleries take of the page, roughly."""
    sheets = traced.pictures.sheets if traced.pictures is not None else ()
    return 4 * sum(map(len, sheets)) // 3 + _GALLERY_BYTES


def _split(job: Job, split: str) -> data.SplitCounts:
    visits = job.visits_of(split)
    outcome, disagree = job.cohort.outcome, job.cohort.outcome.readers_disagree(visits)
    counts = visits[outcome.label_column].map(outcome.stratum_of).value_counts()
    return data.SplitCounts(
        split=split,
        visits=len(visits),
        patients=int(visits[PATIENT_ID].nunique()),
        photos=int(job.cohort.photos[VISIT_ID].isin(visits[VISIT_ID]).sum()),
        classes=tuple(int(counts.get(stratum, 0)) for stratum in range(len(outcome.strata))),
        read_twice=int(disagree.notna().sum()),
        disagreements=int(disagree.sum()),
    )


def _making(job: Job, metrics: dict[str, Any]) -> data.Making:
    settings: Any = job.settings
    rows = []
    for dotted in dotted_paths():
        value = settings
        for name in dotted.split("."):
            value = getattr(value, name)
        if isinstance(value, dict):
            value = {name: _without_place(told) if isinstance(told, str) else told for name, told in value.items()}
        rows.append((dotted, _without_place(str(list(value) if isinstance(value, tuple) else value))))
    encoder = metrics["encoder"]
    return data.Making(
        command="grasp run",
        settings=tuple(rows),
        versions=tuple(
            sorted((read_note(job.study.run(BASELINE))["versions"] | {"weights licence": encoder["licence"]}).items())
        ),
        seeds=(("seed", job.settings.seed), ("cohort_seed", job.settings.cohort_seed)),
        data_digest=job.tables_digest,
        limits=(texts_of(job.cohort.outcome).limit, _SEED_LIMIT[settings.evaluate.training_seeds > 1], *_LIMITS),
        warnings=tuple(_warnings(job, metrics)),
    )


def _without_place(value: str) -> str:
    """A setting as the page prints it: of an absolute path the last name alone, for where it lies is nobody's business."""
    return f".../{Path(value).name}" if Path(value).is_absolute() else value


def _warnings(job: Job, metrics: dict[str, Any]) -> list[str]:
    caveats = job.study.trace(job.trace_name()) / "caveats.json"
    found: list[str] = json.loads(caveats.read_text(encoding="utf-8"))
    told = figures_of(job.outcome)
    if metrics[val_column(told.choosing)] is None:
        found.append(f"{told.lacks.capitalize()}: epochs were chosen by validation loss, and k cannot be chosen.")
    empty = [one.name for one in made_keep_lists(job).empty]
    found += [words for words in (skipped_warning(job), leak_warning(job), hidden_note(job)) if words is not None]
    if (rule := job.settings.severity.training_label) != READER1:
        found.append(
            f"Networks learned the label that severity.training_label {rule} gives; figures are against the readers' own."
        )
    if empty:
        found.append(f"These keep lists remove nothing and were not retrained: {', '.join(empty)}.")
    return found
