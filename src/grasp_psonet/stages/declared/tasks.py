"""Every stage as it is declared: the settings it depends on, its inputs, and what makes it.

Declaring loads neither torch nor pandas, so that a look at a finished study is cheap; what makes a stage is loaded once a
stage has to be made. How many processes work, and where the photos lie, changes no result: it is no setting of a stage, and
is bound where the stage is declared.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.device import resolved_device
from grasp_psonet.proof import digest
from grasp_psonet.pruning.settings import PATTERN, PATTERN_OF_WORST
from grasp_psonet.stage import Task
from grasp_psonet.stages.checking.photo_digests import photo_files_digest
from grasp_psonet.stages.declared.declaring import declared, needs_of
from grasp_psonet.stages.declared.revisions import revised_trainings, sources_of
from grasp_psonet.stages.drawn import drawn_identity, is_synthetic, refuse_damaged_truth
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.kind import refuse_maps_of_photos, refuse_settings_of_photos
from grasp_psonet.stages.names import BASELINE, FIRST, KeepList, Training
from grasp_psonet.study import Study

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job
from grasp_psonet.stages.declared.needs import (
    AuditNeeds,
    EvaluateNeeds,
    ExplainNeeds,
    FeatureNeeds,
    LearningNeeds,
    NoNeeds,
    OutOfFoldNeeds,
    PaperAuditNeeds,
    PrepareNeeds,
    PruneNeeds,
    RetrainNeeds,
    TraceNeeds,
    TrainedFoldNeeds,
    TrainNeeds,
)


def prepare_tasks(job: "Job") -> list[Task]:
    """The store of the photos; nothing to do in a study of precomputed features."""
    return [_prepare_task(job)] if job.kind == "photos" else []


def _prepare_task(job: "Job") -> Task:
    """The store of every photo in photos.csv; made anew when a photo's bytes or the edge change."""

    def make(folder: Path, own: PrepareNeeds) -> None:
        from grasp_psonet.photos.store import StoreForm, write_store

        form = StoreForm(own.edge_px, own.fit, own.most_megapixels, own.damaged)
        write_store(job.tables.photos, job.photo_files, form, folder, job.workers)

    job.refuse_without_tables()
    inputs = {"photo files": photo_files_digest(job), "photos.csv": job.bags_digest}
    return declared("prepare", job.study.store, needs_of(PrepareNeeds, job.settings), inputs, make, resumable=True)


def features_task(job: "Job") -> Task:
    """The features that the study's files hold, or the start encoder's of its photos."""
    return _encoded_task(job) if job.kind == "photos" else _read_task(job)


def _read_task(job: "Job") -> Task:
    """The vectors of every file in features.csv; made anew when its bytes change."""

    def make(folder: Path, _: NoNeeds) -> None:
        from grasp_psonet.stages.makers.features import read_features

        read_features(folder, job)

    job.refuse_without_tables()
    refuse_settings_of_photos(job.settings.network, job.settings.train.augmentation)
    refuse_maps_of_photos(job.settings.explain)
    inputs = {"feature files": photo_files_digest(job), "features.csv": job.bags_digest}
    return declared("features", job.study.features, NoNeeds(), inputs, make)


def _encoded_task(job: "Job") -> Task:
    """The start encoder's feature of every photo in the store, and of its augmentations where training reads features."""
    network, study = job.settings.network, job.study

    def make(folder: Path, own: FeatureNeeds) -> None:
        from grasp_psonet.stages.makers.features import make_features

        make_features(folder, own, job)

    own = needs_of(FeatureNeeds, job.settings)
    if not network.is_frozen and not job.settings.train.probe_epochs:
        own = replace(own, augmentation=AugmentationSettings())
    inputs: dict[str, Path | str] = {"store": study.store, "device": resolved_device(own.device)}
    if network.weights == "random":
        inputs["seed of the encoder"] = str(job.settings.seed)
    inputs |= _encoder_weights(job)
    return declared("features", study.features, own, inputs, make)


def _encoder_weights(job: "Job") -> dict[str, Path | str]:
    weights = job.study.folder / job.settings.network.weights
    return {"encoder weights": digest(weights)} if weights.is_file() else {}


def out_of_fold_task(job: "Job") -> Task:
    """Every visit of train and val out of fold, by probes on its mean feature or networks; and the probe of the train split
    for val and test."""
    settings, study = job.settings, job.study
    inputs: dict[str, Path | str] = {"features": study.features, "tables": job.tables_digest}
    if settings.out_of_fold.model == "probe":

        def make(folder: Path, own: OutOfFoldNeeds) -> None:
            from grasp_psonet.stages.makers.out_of_fold import make_out_of_fold

            make_out_of_fold(folder, own, study.features, job.cohort_for(own))

        return declared("folds", study.out_of_fold, needs_of(OutOfFoldNeeds, settings), inputs, make)

    def train(folder: Path, own: TrainedFoldNeeds) -> None:
        from grasp_psonet.stages.makers.out_of_fold import make_out_of_fold
        from grasp_psonet.stages.makers.trained_folds import TrainedFolds

        cohort = job.cohort_for(own)
        trained = TrainedFolds(folder.resolve(), own, Study(study.folder.resolve()), cohort, job.network_workers)
        make_out_of_fold(folder, own, study.features, cohort, trained)

    if settings.out_of_fold.model == "full":
        inputs |= job.bag_inputs()
    inputs |= {"device": resolved_device(settings.machine.device)} | _encoder_weights(job)
    own = needs_of(TrainedFoldNeeds, settings)
    return declared("folds", study.out_of_fold, own, inputs, train, resumable=True)


def learning_task(job: "Job") -> Task:
    """The baseline on validation against class frequencies and the probe."""
    run, out_of_fold = job.study.run(BASELINE), job.study.out_of_fold

    def make(folder: Path, own: LearningNeeds) -> None:
        from grasp_psonet.stages.makers.learning import make_learning

        make_learning(folder, own, run, out_of_fold, job.cohort_for(own).visits)

    inputs: dict[str, Path | str] = {"run": run, "out of fold": out_of_fold, "tables": job.tables_digest}
    return declared("learning", job.study.learning, needs_of(LearningNeeds, job.settings), inputs, make)


def train_task(job: "Job", training: Training = FIRST) -> Task:
    """One run; the photos that the keep list or the revision it is of leaves out are absent, labels those of the revision."""
    name, changes = training.name, sources_of(job, training)

    def make(folder: Path, own: TrainNeeds) -> None:
        from grasp_psonet.stages.makers.train import make_run

        source = next((Path(one) for one in changes.values()), None)
        make_run(folder, own, job.study, job.cohort_for(own), source, training)

    device = resolved_device(job.settings.machine.device)
    inputs: dict[str, Path | str] = {**job.bag_inputs(), "tables": job.tables_digest, "device": device}
    inputs |= changes
    if training.number:
        inputs["number of the training seed"] = str(training.number)
    inputs |= _encoder_weights(job)
    own = needs_of(TrainNeeds if training == FIRST else RetrainNeeds, job.settings)
    return declared(f"train {name}", job.study.run(name), own, inputs, make, resumable=True)


def trace_task(job: "Job") -> Task:
    """Scores of the chosen formula; the queries; the loss of each training photo on its own (for the loss control)."""

    def make(folder: Path, own: TraceNeeds) -> None:
        from grasp_psonet.stages.makers.tracing.trace import make_trace
        from grasp_psonet.stages.run import TrainedRun

        make_trace(folder, own, TrainedRun(job))

    own, folder = needs_of(TraceNeeds, job.settings), job.study.trace(job.trace_name())
    return declared("trace", folder, own, job.baseline_inputs(), make, resumable=True)


def prune_tasks(job: "Job") -> list[Task]:
    """One task per keep list; a control is made from the pruning it is compared with."""
    return [_control_task(job, one) if one.control else _pruning_task(job, one) for one in job.keep_lists()]


def _pruning_task(job: "Job", one: KeepList) -> Task:
    trace = job.study.trace(job.trace_name())

    def make(folder: Path, own: PruneNeeds) -> None:
        from grasp_psonet.stages.makers.prune import PruneInputs, make_pruning, refuse_same_lists

        cohort = job.cohort_for(own)
        refuse_same_lists(job.settings.prune, cohort)  # no dependency of this list: it stops, and changes no file
        make_pruning(folder, own, one.k, PruneInputs(trace, cohort, job.study.features))

    inputs: dict[str, Path | str] = {"trace": trace, "tables": job.tables_digest}
    inputs |= {"features": job.study.features} if one.k in (PATTERN, PATTERN_OF_WORST) else {}
    return declared(f"prune {one.name}", job.study.pruning(one.name), needs_of(PruneNeeds, job.settings), inputs, make)


def _control_task(job: "Job", one: KeepList) -> Task:
    trace, pruning = job.study.trace(job.trace_name()), job.study.pruning(job.pruned_names()[one.k])

    def make(folder: Path, own: PruneNeeds) -> None:
        from grasp_psonet.stages.makers.prune import make_control

        make_control(folder, own, one, pruning, trace, job.cohort_for(own))

    inputs: dict[str, Path | str] = {"pruning": pruning, "trace": trace, "tables": job.tables_digest}
    return declared(f"prune {one.name}", job.study.pruning(one.name), needs_of(PruneNeeds, job.settings), inputs, make)


def retrain_tasks(job: "Job") -> list[Task]:
    """The trainings of every keep list that removes something, of revisions, and the further ones of the baseline.

    Raises StageError while a list is not made.
    """
    return [train_task(job, one) for one in (*trainings(job), *revised_trainings(job)) if one != FIRST]


def trainings(job: "Job") -> list[Training]:
    """Every training of the study: each seed of the baseline and of the keep lists that remove something."""
    of = (BASELINE, *(one.name for one in made_keep_lists(job).retrained))
    return [Training(one, number) for number in range(job.settings.evaluate.training_seeds) for one in of]


def evaluate_task(job: "Job") -> Task:
    """Figures, differences, confusion matrices and reader agreement of the test split; what each keep list took from whom;
    the choice of k on validation."""
    made = made_keep_lists(job)
    runs: dict[str, list[Path]] = {}
    for one in trainings(job):
        runs.setdefault(one.of, []).append(job.study.run(one.name))

    def make(folder: Path, own: EvaluateNeeds) -> None:
        from grasp_psonet.stages.makers.evaluate import make_evaluation
        from grasp_psonet.stages.makers.prune import read_keep

        keep = {one.name: read_keep(job, one.name) for one in made.retrained}
        make_evaluation(folder, own, runs, made.lists, keep, job.cohort_for(own), job.study.out_of_fold)

    inputs: dict[str, Path | str] = {f"run {folder.name}": folder for folders in runs.values() for folder in folders}
    inputs |= {f"keep list {one.name}": job.study.pruning(one.name) for one in made.retrained}
    inputs["out of fold"] = job.study.out_of_fold
    inputs["tables"] = job.tables_digest
    inputs |= {f"k of {one.name}": str(one.k) for one in made.lists if not one.control}
    return declared("evaluate", job.study.evaluation, needs_of(EvaluateNeeds, job.settings), inputs, make)


def audit_tasks(job: "Job") -> list[Task]:
    """The audit, after that of the paper where the settings want it."""
    return [*([_paper_audit_task(job)] if job.settings.audit.model == "paper" else []), audit_task(job)]


def _paper_audit_task(job: "Job") -> Task:
    """A network trained on train and test, and how it ranks visits read twice; nothing else reads it."""

    def make(folder: Path, own: PaperAuditNeeds) -> None:
        from grasp_psonet.stages.makers.paper_audit import make_paper_audit

        make_paper_audit(folder, own, job.study, job.cohort_for(own))

    inputs: dict[str, Path | str] = {**job.bag_inputs(), "tables": job.tables_digest}
    inputs |= {"device": resolved_device(job.settings.machine.device)} | _encoder_weights(job)
    own = needs_of(PaperAuditNeeds, job.settings)
    return declared("paper's audit", job.study.paper_audit, own, inputs, make, resumable=True)


def audit_task(job: "Job") -> Task:
    """The audited visits are those of the train split: a visit that was not trained on has no self-influence."""
    study, has_papers = job.study, job.settings.audit.model == "paper"

    def make(folder: Path, own: AuditNeeds) -> None:
        from grasp_psonet.stages.makers.audit import make_audit
        from grasp_psonet.stages.run import TrainedRun

        papers = study.paper_audit if has_papers else None
        make_audit(folder, own, TrainedRun(job), study, papers)

    inputs = job.baseline_inputs() | {"features": study.features, "out of fold": study.out_of_fold}
    inputs |= {"paper's audit": study.paper_audit} if has_papers else {}
    return declared("audit", job.study.audit, needs_of(AuditNeeds, job.settings), inputs, make)


def explain_task(job: "Job") -> Task:
    """Maps of photos of the followed keep list and of the baseline's own errors, by the kept baseline and by the chosen run.

    Which run is chosen stands in the evaluation, so the task waits for every run that may be.
    """
    study = job.study
    trace = study.trace(job.trace_name())

    def make(folder: Path, own: ExplainNeeds) -> None:
        from grasp_psonet.stages.makers.explain import make_maps
        from grasp_psonet.stages.run import TrainedRun

        make_maps(folder, own, TrainedRun(job), trace, study.evaluation)

    pruned = [one.name for one in made_keep_lists(job).retrained if not one.control]
    inputs = job.baseline_inputs() | store_of(job) | {"trace": trace, "evaluation": study.evaluation}
    inputs |= {f"run {name}": study.run(name) for name in pruned}
    inputs |= {f"pruning {name}": study.pruning(name) for name in pruned}
    inputs |= {"drawn cohort": drawn_identity(job)} if is_synthetic(job) else {}
    return declared("explain", study.explanations, needs_of(ExplainNeeds, job.settings), inputs, make)


def store_of(job: "Job") -> dict[str, Path | str]:
    """The photos, for what shows them; a study of precomputed features has none."""
    return {"store": job.study.store} if job.kind == "photos" else {}


def report_task(job: "Job") -> Task:
    """report.html and results.json from every stage before; the page prints every setting, so it depends on all."""

    def make(folder: Path, _: object) -> None:
        from grasp_psonet.stages.makers.report.make import make_report

        make_report(job, folder)

    study = job.study
    names = [one.name for one in made_keep_lists(job).retrained]
    inputs: dict[str, Path | str] = {
        "evaluation": study.evaluation,
        "readers": study.readers,
        "learning": study.learning,
        "audit": study.audit,
        "explanations": study.explanations,
        "diagnosis": study.diagnosis,
        "trace": study.trace(job.trace_name()),
        "run": study.run(BASELINE),
        **store_of(job),
        "tables": job.tables_digest,
    }
    inputs |= {f"pruning {name}": study.pruning(name) for name in [*job.pruned_names().values(), *names]}
    if job.settings.photos.duplicates == "accept" and job.kind == "photos":
        inputs["quality"] = study.quality  # the page says what was accepted
    if is_synthetic(job):
        refuse_damaged_truth(job)
        inputs["truth"] = study.truth_file
    inputs |= {f"run {one.name}": study.run(one.name) for one in trainings(job) if one != FIRST}
    inputs |= {f"revised {name}": study.revised(name) for name in job.revisions}
    return declared("report", study.report, job.settings, inputs, make)
