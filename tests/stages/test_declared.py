"""What a stage depends on is what its note records and all that its maker is given; one list names the stages."""

from dataclasses import dataclass
from pathlib import Path

from grasp_psonet.cli import main
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.device import resolved_device
from grasp_psonet.setting import recorded_tree
from grasp_psonet.settings import StudySettings, dotted_paths, load, parse
from grasp_psonet.stages.declared.declaring import at, declared, needs_of, recorded
from grasp_psonet.stages.declared.needs import (
    AuditNeeds,
    DiagnoseNeeds,
    EvaluateNeeds,
    ExplainNeeds,
    LearningNeeds,
    OutOfFoldNeeds,
    PrepareNeeds,
    PruneNeeds,
    TraceNeeds,
    TrainNeeds,
)
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.pipeline import read_by
from grasp_psonet.stages.steps import NAMES, STEPS
from grasp_psonet.study import Study


@dataclass(frozen=True)
class _Needs:
    severity: SeveritySettings
    k: tuple[int, ...] = at("prune.k")


def test_needs_are_taken_from_the_tree_and_recorded_by_their_paths(tmp_path: Path) -> None:
    settings = parse({"severity": {"cutoffs": [3, 9]}, "prune": {"k": [7, 8]}}, "the test")
    own = needs_of(_Needs, settings)
    assert own == _Needs(settings.severity, (7, 8))
    assert recorded(own) == {"severity": recorded_tree(settings.severity), "prune.k": [7, 8]}
    given = []
    task = declared("work", tmp_path, own, {}, lambda folder, needs: given.append((folder, needs)))
    task.make(tmp_path / "partial")
    assert task.settings == recorded(own)
    assert given == [(tmp_path / "partial", own)]


def test_every_need_is_a_setting_or_a_group_of_them() -> None:
    known = dotted_paths()
    kinds = (
        PrepareNeeds,
        TrainNeeds,
        TraceNeeds,
        PruneNeeds,
        EvaluateNeeds,
        AuditNeeds,
        ExplainNeeds,
        OutOfFoldNeeds,
        LearningNeeds,
        DiagnoseNeeds,
    )
    for kind in kinds:
        for path in recorded(needs_of(kind, StudySettings())):
            assert path in known or any(setting.startswith(path + ".") for setting in known), path


def test_what_a_note_records_of_a_stage_is_as_ever() -> None:
    machine = {"machine.device", "machine.threads"}
    wanted = {
        TrainNeeds: {"seed", "network", "train", "severity", "split", "photos.edge_px"} | machine,
        TraceNeeds: {"trace", "severity"} | machine,
        PruneNeeds: {"seed", "severity", "split", "trace.sum_queries"}
        | {f"prune.{name}" for name in ("rule", "end", "within", "remove", "false_discovery", "keep_at_least")}
        | {f"prune.{name}" for name in ("cap_per_group", "cap_column")},
        EvaluateNeeds: {"evaluate", "seed", "severity", "split", "prune.k", "prune.controls"},
        AuditNeeds: {"audit", "evaluate", "severity", "seed"} | machine,
        OutOfFoldNeeds: {"out_of_fold", "seed", "severity", "split"},
        LearningNeeds: {"evaluate", "seed", "severity", "split"},
        DiagnoseNeeds: {"diagnose", "seed", "severity", "split", "prune.within", "prune.false_discovery"},
        ExplainNeeds: {
            "explain",
            "seed",
            "evaluate.replicates",
            "evaluate.confidence",
            "evaluate.interval",
            "trace.sum_queries",
        }
        | {"prune.rule", "prune.end", "prune.remove", "prune.within", "severity", "split"}
        | machine,
    }
    assert {kind: set(recorded(needs_of(kind, StudySettings()))) for kind in wanted} == wanted


def test_the_rules_of_a_keep_list_are_those_of_the_study() -> None:
    settings = parse(
        {"prune": {"rule": "each", "end": "largest", "remove": "visit", "keep_at_least": 2, "k": [5]}}, "the test"
    )
    for kind in (PruneNeeds, ExplainNeeds):
        rules = needs_of(kind, settings).rules
        assert (rules.rule, rules.end, rules.remove) == ("each", "largest", "visit")
    assert needs_of(PruneNeeds, settings).rules.keep_at_least == 2
    as_one = parse({"prune": {"rule": "each", "k": [5]}, "trace": {"sum_queries": True}}, "the test")
    assert needs_of(PruneNeeds, as_one).rules.rule == "together", "errors traced as one have one ranking"


def test_the_steps_are_in_the_order_of_what_they_read() -> None:
    assert NAMES == (
        "prepare",
        "features",
        "folds",
        "train",
        "learning",
        "trace",
        "prune",
        "retrain",
        "evaluate",
        "explain",
        "audit",
        "diagnose",
        "report",
    )
    assert [step.name for step in STEPS if step.reads_keep_lists] == [
        "retrain",
        "evaluate",
        "explain",
        "diagnose",
        "report",
    ]


def test_a_device_that_is_named_is_taken_at_its_word() -> None:
    assert [resolved_device(name) for name in ("cpu", "cuda")] == ["cpu", "cuda"]


def test_the_audit_waits_for_no_pruning(tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert main(["cohort", str(study), "--preset", "tiny", "--cohort.num_views", "1"]) == 0
    job = Job(Study(study), load(study / "study.yaml", {"prune.k": "[]"}))
    assert job.keep_lists() == []
    read = {
        name: [task.title for task in read_by(job, STEPS[NAMES.index(name)], STEPS[: NAMES.index(name)])]
        for name in ("audit", "explain", "learning")
    }
    assert read["audit"] == ["prepare", "features", "folds", "train baseline"]
    assert read["learning"] == ["prepare", "features", "folds", "train baseline"]
    after_all = [
        "prepare",
        "quality",
        "features",
        "folds",
        "train baseline",
        "learning",
        "trace",
        "evaluate",
        "readers",
    ]
    assert read["explain"] == after_all
