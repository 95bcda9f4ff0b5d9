"""The settings that each stage depends on: recorded in its note, and all that its maker is given."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.cohort.revise_settings import ReviseSettings
from grasp_psonet.cohort.settings import SeveritySettings, SplitSettings
from grasp_psonet.diagnosis.settings import DiagnoseSettings
from grasp_psonet.evidence.settings import EvaluateSettings, IntervalRule, Method
from grasp_psonet.explain.settings import ExplainSettings
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.out_of_fold.settings import OutOfFoldSettings
from grasp_psonet.photos.settings import MOST_MEGAPIXELS, Damaged, Duplicates, Fit
from grasp_psonet.pruning.settings import Control, End, K, PruneSettings, Remove, Rule, Within, applied_rule
from grasp_psonet.stages.declared.declaring import at
from grasp_psonet.training.settings import TrainSettings

if TYPE_CHECKING:
    from grasp_psonet.cohort.outcome import Outcome
    from grasp_psonet.explain.figures import Resampling


@dataclass(frozen=True)
class PrepareNeeds:
    """Settings of the store."""

    edge_px: int = at("photos.edge_px")
    fit: Fit = at("photos.fit", unless="resize")
    damaged: Damaged = at("photos.damaged", unless="stop")
    most_megapixels: int = at("photos.most_megapixels", unless=MOST_MEGAPIXELS)


@dataclass(frozen=True)
class FeatureNeeds:
    """Settings of the feature store; augmentation is off here where training does not read features."""

    encoder: str = at("network.encoder")
    weights: str = at("network.weights")
    augmentation: AugmentationSettings = at("train.augmentation")
    edge_px: int = at("photos.edge_px")
    device: str = at("machine.device")
    threads: int = at("machine.threads")


@dataclass(frozen=True)
class NoNeeds:
    """A stage that depends on no setting."""


@dataclass(frozen=True)
class CohortNeeds:
    """Settings that the tables of a study are read under: what labels a visit, and how patients are drawn into splits."""

    seed: int
    severity: SeveritySettings
    split: SplitSettings

    @property
    def outcome(self) -> "Outcome":
        """What a visit's label is and what is learned from it."""
        from grasp_psonet.cohort.outcomes import outcome_of  # loads pandas, which a look at a finished study spares

        return outcome_of(self.severity)


@dataclass(frozen=True)
class QualityNeeds(CohortNeeds):
    """Settings of what is told of the photos; splits say which likeness is a leak."""

    duplicates: Duplicates = at("photos.duplicates")


@dataclass(frozen=True)
class OutOfFoldNeeds(CohortNeeds):
    """Settings of the out-of-fold predictions."""

    out_of_fold: OutOfFoldSettings


@dataclass(frozen=True)
class LearningNeeds(CohortNeeds):
    """Settings of the learning check."""

    evaluate: EvaluateSettings


@dataclass(frozen=True)
class ReviseNeeds(CohortNeeds):
    """Settings of a revision."""

    revise: ReviseSettings


@dataclass(frozen=True)
class TrainNeeds(CohortNeeds):
    """Settings of a run."""

    network: NetworkSettings
    train: TrainSettings
    edge_px: int = at("photos.edge_px")
    fit: Fit = at("photos.fit", unless="resize")
    device: str = at("machine.device")
    threads: int = at("machine.threads")
    micro_batch: int | None = at("machine.micro_batch", unless=None)
    gradient_checkpointing: bool = at("machine.gradient_checkpointing", unless=False)


@dataclass(frozen=True)
class TrainedFoldNeeds(TrainNeeds, OutOfFoldNeeds):
    """Settings of the out-of-fold predictions where a network is trained in every fold."""


@dataclass(frozen=True)
class RetrainNeeds(TrainNeeds):
    """Settings of a run on a keep list."""

    retrained_anchors: Literal["kept", "all"] = at("prune.retrained_anchors")


@dataclass(frozen=True)
class TraceNeeds:
    """Settings of a trace; labels and machine are those of its run."""

    trace: TraceSettings
    severity: SeveritySettings
    device: str = at("machine.device")
    threads: int = at("machine.threads")


@dataclass(frozen=True)
class RankingNeeds(CohortNeeds):
    """Settings that rank photos for pruning; the labels are what scores are compared within."""

    rule: Rule = at("prune.rule")
    end: End = at("prune.end")
    within: Within = at("prune.within")
    remove: Remove = at("prune.remove")
    sum_queries: bool = at("trace.sum_queries")

    @property
    def rules(self) -> PruneSettings:
        """The settings of pruning with the rule that applies."""
        rule = applied_rule(self.rule, self.sum_queries)
        return PruneSettings(rule=rule, end=self.end, within=self.within, remove=self.remove, k=())


@dataclass(frozen=True)
class PruneNeeds(RankingNeeds):
    """Settings of a keep list, and of a control; its k stands in its name."""

    false_discovery: float = at("prune.false_discovery")
    keep_at_least: int = at("prune.keep_at_least")
    cap_per_group: float | None = at("prune.cap_per_group")
    cap_column: str | None = at("prune.cap_column")

    @property
    def rules(self) -> PruneSettings:
        """The settings of pruning with the rule that applies."""
        return replace(
            super().rules,
            false_discovery=self.false_discovery,
            keep_at_least=self.keep_at_least,
            cap_per_group=self.cap_per_group,
            cap_column=self.cap_column,
        )


@dataclass(frozen=True)
class EvaluateNeeds(CohortNeeds):
    """Settings of the evaluation."""

    evaluate: EvaluateSettings
    k: tuple[K, ...] = at("prune.k")
    controls: tuple[Control, ...] = at("prune.controls")


@dataclass(frozen=True)
class AuditNeeds:
    """Settings of the audit; labels, splits and machine are those of its run."""

    audit: AuditSettings
    evaluate: EvaluateSettings
    severity: SeveritySettings
    seed: int
    device: str = at("machine.device")
    threads: int = at("machine.threads")


@dataclass(frozen=True)
class PaperAuditNeeds(TrainNeeds):
    """Settings of the paper's audit, which trains a network of its own."""

    audit: AuditSettings = at("audit")


@dataclass(frozen=True)
class ExplainNeeds(RankingNeeds):
    """Settings of the maps; those of pruning say which photos leave first, the seed draws patients and orders of patches."""

    explain: ExplainSettings = at("explain")
    replicates: int = at("evaluate.replicates")
    confidence: float = at("evaluate.confidence")
    interval: Method = at("evaluate.interval")
    device: str = at("machine.device")
    threads: int = at("machine.threads")

    @property
    def resampling(self) -> "Resampling":
        """How intervals over the explained photos are made."""
        from grasp_psonet.explain.figures import Resampling  # loads pandas, which a look at a finished study spares

        return Resampling(self.replicates, IntervalRule(self.confidence, self.interval), self.seed)


@dataclass(frozen=True)
class DiagnoseNeeds(CohortNeeds):
    """Settings of the diagnosis; those of pruning say what the scores of photos are compared within."""

    diagnose: DiagnoseSettings
    within: Within = at("prune.within")
    false_discovery: float = at("prune.false_discovery")
