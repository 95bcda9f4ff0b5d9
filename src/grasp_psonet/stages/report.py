"""``grasp report``: what the stages found, as one page and one file of numbers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.pruning.overlap import most_possible, removal_rates
from grasp_psonet.report import data
from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from grasp_psonet.settings import as_tree, dotted_paths
from grasp_psonet.stage import Task, read_note
from grasp_psonet.stages.cohort import is_synthetic
from grasp_psonet.stages.gallery import error_gallery, flagged_gallery, number_or_none
from grasp_psonet.stages.job import BASELINE, Job
from grasp_psonet.stages.prune import read_keep
from grasp_psonet.stages.retrain import read_sweep
from grasp_psonet.stages.trace import kept_queries

_READERS = {"Reader 1": "reader1", "Reader 2": "reader2"}
_NUM_REVIEW = 20
_LIMITS = (
    "k is chosen on the validation split alone; with few validation visits the choice is uncertain.",
    "Intervals resample patients and hold the trained networks fixed: another training seed is not in them.",
    "Influence scores are first-order estimates; only the retraining shows what removal does.",
)


def report_task(job: Job) -> Task:
    """report.html and results.json from every stage before."""
    study = job.study
    names = [one.name for one in read_sweep(job).trained]
    inputs: dict[str, Path | str] = {
        "evaluation": study.evaluation,
        "audit": study.audit,
        "explanations": study.explanations,
        "trace": study.trace(job.trace_name()),
        "run": study.run(BASELINE),
        "store": study.store,
        "tables": job.tables_digest,
    }
    inputs |= {f"pruning {name}": study.pruning(name) for name in [*job.pruned_names().values(), *names]}
    if is_synthetic(job):
        inputs["truth"] = study.truth_file
    inputs |= {f"run {name}": study.run(name) for name in names}
    parts = tuple(as_tree(job.settings))  # the page prints every setting
    return job.task("report", study.report, parts, inputs, lambda folder: _make(job, folder))


def _make(job: Job, folder: Path) -> None:
    report = gather(job)
    numbers = json.dumps(results(report), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    (folder / "results.json").write_text(numbers + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render(report), encoding="utf-8")


def gather(job: Job) -> data.ReportData:
    """Everything that the report shows, read from the study's stages."""
    study, visits = job.study, job.cohort.visits
    evaluation = {
        name: pd.read_parquet(study.evaluation / f"{name}.parquet")
        for name in ("figures", "differences", "confusions", "agreement", "against_random")
    }
    choice = json.loads((study.evaluation / "choice.json").read_text(encoding="utf-8"))
    metrics = json.loads((study.run(BASELINE) / "metrics.json").read_text(encoding="utf-8"))
    queries = pd.read_parquet(study.trace(job.trace_name()) / "queries.parquet")
    errors = kept_queries(job)
    num_queries = int(queries.loc[queries["used"].astype(bool), "query_id"].nunique())
    readers = tuple(
        reader
        for reader, column in zip(_READERS, job.outcome.class_columns, strict=True)
        if visits.loc[visits["split"] == "test", column].notna().any()
    )
    chosen = choice["run"]
    removed_by = None if chosen == BASELINE else chosen
    train_photos = job.cohort.photos["visit_id"].isin(job.visits_of("train")["visit_id"])
    against = evaluation["against_random"]
    return data.ReportData(
        study=study.folder.resolve().name,
        is_synthetic=is_synthetic(job),
        encoder=metrics["encoder"]["name"],
        formula=job.settings.trace.formula,
        end=job.settings.prune.end,
        unit=job.settings.prune.unit,
        confidence=job.settings.evaluate.confidence,
        readers=readers,
        splits=tuple(_split(job, split) for split in ("train", "val", "test")),
        train_photos=int(train_photos.sum()),
        num_queries=num_queries,
        min_gain_se=job.settings.evaluate.min_gain_se,
        is_summed=job.has_one_ranking,
        of_every_epoch=job.settings.trace.errors == "each_anchor",
        num_errors=len(errors),
        arms=_arms(job, evaluation, readers, job.num_rankings(num_queries)),
        chosen=chosen,
        making=_making(job, metrics),
        outcome=job.outcome,
        against_random=tuple(
            _estimate(against, "difference", run=chosen, reader=_READERS[reader], group="all", metric="auc")
            for reader in (readers if len(against) else ())
        ),
        reader_kappa=_estimate(evaluation["agreement"], "value", split="test", group="all", metric="kappa")
        if "Reader 2" in readers
        else None,
        confusions=tuple(
            _confusion(evaluation["confusions"], run, reader, len(job.outcome.classes))
            for run in dict.fromkeys((BASELINE, chosen))
            for reader in readers
        ),
        flagged=flagged_gallery(job, removed_by),
        removal=() if removed_by is None else _removal(job, removed_by),
        errors=error_gallery(job, errors),
        audit=_audit(job),
        subgroups=_subgroups(evaluation["figures"], chosen, readers),
        truth=_truth(job, removed_by),
    )


def _split(job: Job, split: str) -> data.SplitCounts:
    visits = job.visits_of(split)
    outcome, disagree = job.outcome, job.outcome.readers_disagree(visits)
    counts = visits[outcome.class_columns[0]].value_counts()
    return data.SplitCounts(
        split=split,
        visits=len(visits),
        patients=int(visits["patient_id"].nunique()),
        photos=int(job.cohort.photos["visit_id"].isin(visits["visit_id"]).sum()),
        classes=tuple(int(counts.get(label, 0)) for label in range(len(outcome.classes))),
        read_twice=int(disagree.notna().sum()),
        disagreements=int(disagree.sum()),
    )


def _arms(
    job: Job, evaluation: dict[str, pd.DataFrame], readers: tuple[str, ...], num_rankings: int
) -> tuple[data.Arm, ...]:
    arms = [_arm(job, BASELINE, "baseline", 0, 0, evaluation, readers)]
    is_by_photo = job.settings.prune.unit == "photo"
    sweep = read_sweep(job)
    for k, name in job.pruned_names().items():
        for one in [one for one in sweep.trained if one.k == k]:
            kind: data.Kind = "pruned" if not one.control else "random" if one.control == "random" else "loss"
            is_kept = read_keep(job, one.name)["kept"]
            arm = _arm(job, one.name, kind, k, int((~is_kept).sum()), evaluation, readers)
            most = most_possible(k, num_rankings, len(is_kept)) if is_by_photo else None
            arms.append(replace(arm, most_possible=most))
        assert name in {arm.name for arm in arms} or name in {one.name for one in sweep.empty}
    return tuple(arms)


def _arm(
    job: Job,
    name: str,
    kind: data.Kind,
    k: int,
    removed: int,
    evaluation: dict[str, pd.DataFrame],
    readers: tuple[str, ...],
) -> data.Arm:
    metrics = json.loads((job.study.run(name) / "metrics.json").read_text(encoding="utf-8"))
    figures = []
    for reader in readers:
        where = {"run": name, "reader": _READERS[reader], "group": "all"}
        kappa, auc = (_estimate(evaluation["figures"], "value", metric=metric, **where) for metric in ("kappa", "auc"))
        if kind == "baseline":
            figures.append(data.ReaderFigures(kappa, auc))
            continue
        changes = (
            _estimate(evaluation["differences"], "difference", metric=metric, **where) for metric in ("kappa", "auc")
        )
        figures.append(data.ReaderFigures(kappa, auc, *changes))
    return data.Arm(name, kind, k, removed, metrics["val_auc"], tuple(figures))


def _estimate(table: pd.DataFrame, column: str, **where: str) -> data.Estimate:
    """The one row of an evaluation table as an estimate."""
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, f"{len(table)} rows for {where}"
    row = table.iloc[0]
    return data.Estimate(
        number_or_none(row[column]), number_or_none(row["low"]), number_or_none(row["high"]), str(row["why_not"])
    )


def _confusion(table: pd.DataFrame, run: str, reader: str, num_classes: int) -> data.Confusion:
    rows = table[(table["run"] == run) & (table["reader"] == _READERS[reader]) & (table["group"] == "all")]
    counts = rows["num_visits"].to_numpy(dtype=int).reshape(num_classes, num_classes)
    return data.Confusion(run, reader, tuple(tuple(int(number) for number in row) for row in counts))


def _removal(job: Job, keep_name: str) -> tuple[data.RemovalRate, ...]:
    rates = removal_rates(read_keep(job, keep_name), job.cohort.photos, job.cohort.visits, job.outcome)
    rates = rates[rates["column"] != "all"]
    return tuple(
        data.RemovalRate(str(column), str(group), int(removed), int(photos))
        for column, group, photos, removed in rates[["column", "group", "num_photos", "num_removed"]].itertuples(
            index=False, name=None
        )
    )


def _audit(job: Job) -> data.Audit:
    folder = job.study.audit
    table, review = pd.read_parquet(folder / "visits.parquet"), pd.read_parquet(folder / "review.parquet")
    curve, summary = pd.read_parquet(folder / "curve.parquet"), pd.read_parquet(folder / "summary.parquet")
    audited = table[table["is_audited"]]
    settings = job.settings.audit
    rankings = tuple(
        data.Ranking(
            str(name),
            tuple(float(x) for x in points["fraction_inspected"]),
            tuple(float(y) for y in points["fraction_found"]),
            *(
                _estimate(summary, "value", ranking=str(name), metric=metric)
                for metric in ("found_at_inspected", "auroc", "average_precision")
            ),
        )
        for name, points in curve.groupby("ranking", sort=False)
    )
    return data.Audit(
        ranking=settings.ranking,
        visits=len(audited),
        read_twice=int(audited["readers_disagree"].notna().sum()),
        disagreements=int(audited["readers_disagree"].fillna(False).sum()),
        inspected=settings.inspected,
        review=tuple(
            _review_visit(row, settings.ranking, job.outcome) for row in review.head(_NUM_REVIEW).to_dict("records")
        ),
        rankings=rankings,
        why_not=(folder / "why_not.txt").read_text(encoding="utf-8"),
    )


def _review_visit(row: dict[Any, Any], ranking: str, outcome: Outcome) -> data.ReviewVisit:
    first, second = [number_or_none(row[column]) for column in outcome.score_columns] or [None, None]
    return data.ReviewVisit(
        visit_id=row["visit_id"],
        score=float(row[ranking]),
        class_reader1=int(row["label_reader1"]),
        class_reader2=None if pd.isna(row["label_reader2"]) else int(row["label_reader2"]),
        reading_reader1=first,
        reading_reader2=second,
        cutoff_distance=number_or_none(row.get("cutoff_distance_reader1")),
    )


def _subgroups(figures: pd.DataFrame, chosen: str, readers: tuple[str, ...]) -> tuple[data.Subgroup, ...]:
    found = []
    for reader in readers:
        rows = figures[(figures["reader"] == _READERS[reader]) & (figures["metric"] == "auc")]
        for column, group in rows[["group_column", "group"]].drop_duplicates().itertuples(index=False, name=None):
            where = {"reader": _READERS[reader], "metric": "auc", "group_column": column, "group": group}
            at = rows[(rows["group_column"] == column) & (rows["group"] == group) & (rows["run"] == BASELINE)].iloc[0]
            found.append(
                data.Subgroup(
                    str(column),
                    str(group),
                    reader,
                    int(at["num_visits"]),
                    int(at["num_patients"]),
                    _estimate(rows, "value", run=BASELINE, **where),
                    _estimate(rows, "value", run=chosen, **where),
                )
            )
    return tuple(found)


def _truth(job: Job, keep_name: str | None) -> tuple[data.PlantedFault, ...] | None:
    """What was planted on training photos, and how much of it left with this keep list (None: nothing left)."""
    if not is_synthetic(job):
        return None
    truth = pd.read_parquet(job.study.truth_file)
    truth = truth[truth["visit_id"].isin(job.visits_of("train")["visit_id"]) & (truth["fault"] != "none")]
    removed = _removed(job, keep_name)
    k = next((k for k, name in job.pruned_names().items() if name == keep_name), 0)
    control = job.control_names().get((k, "random"))
    at_random = None if control is None else _removed(job, control)
    rows = []
    for (is_shortcut, fault), photos in truth.groupby(["is_shortcut", "fault"]):
        ids = set(photos["photo_id"])
        name = f"{fault} (shortcut)" if is_shortcut else str(fault)
        drawn = None if at_random is None else len(ids & at_random)
        rows.append(data.PlantedFault(name, len(ids), len(ids & removed), drawn))
    return tuple(rows)


def _removed(job: Job, keep_name: str | None) -> set[str]:
    if keep_name is None:
        return set()
    keep = read_keep(job, keep_name)
    return set(keep.loc[~keep["kept"], "photo_id"])


def _making(job: Job, metrics: dict[str, Any]) -> data.Making:
    settings: Any = job.settings
    rows = []
    for dotted in dotted_paths():
        value = settings
        for name in dotted.split("."):
            value = getattr(value, name)
        rows.append((dotted, str(list(value) if isinstance(value, tuple) else value)))
    encoder = metrics["encoder"]
    return data.Making(
        command="grasp run",
        settings=tuple(rows),
        versions=tuple(
            sorted((read_note(job.study.run(BASELINE))["versions"] | {"weights licence": encoder["licence"]}).items())
        ),
        seeds=(("seed", job.settings.seed), ("cohort_seed", job.settings.cohort_seed)),
        limits=(_limit_of_labels(job.outcome), *_LIMITS),
        warnings=tuple(_warnings(job, metrics)),
    )


def _limit_of_labels(outcome: Outcome) -> str:
    if outcome.score_word is None:
        return "Classes are the readers' judgement; many disagreements between readers are visits between two classes."
    return (
        f"Severity classes come from {outcome.score_word} cut-offs; "
        "many disagreements between readers are visits that lie close to one."
    )


def _warnings(job: Job, metrics: dict[str, Any]) -> list[str]:
    caveats = job.study.trace(job.trace_name()) / "caveats.json"
    found: list[str] = json.loads(caveats.read_text(encoding="utf-8"))
    if metrics["val_auc"] is None:
        found.append(
            "A class is missing from validation: epochs were chosen by validation loss, and k cannot be chosen."
        )
    empty = [one.name for one in read_sweep(job).empty]
    if empty:
        found.append(f"These keep lists remove nothing and were not retrained: {', '.join(empty)}.")
    return found
