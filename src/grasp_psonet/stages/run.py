"""A run as a value: what it is trained from, and, once complete, everything it left, each opened once and passed on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from grasp_psonet.bags.bag import Bag, Pixels, make_bags
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.cohort.body_regions import with_regions
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.features.extract import read_card
from grasp_psonet.features.store import FeatureStore, open_features
from grasp_psonet.files import read_json
from grasp_psonet.network.checkpointing import refuse_without_checkpointing
from grasp_psonet.network.encoder import NAMED_WEIGHTS
from grasp_psonet.network.network import BagNetwork, build_network, build_network_on_features, with_encoder
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.network.undrawn import Undrawn
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.proof import proven
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.declared.revisions import sources_of
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.kind import probe_reads_features, reads_features
from grasp_psonet.stages.makers.revise import read_revision
from grasp_psonet.stages.names import BASELINE, Training, training_of
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import KEPT, PHOTO_ID, SPLIT
from grasp_psonet.tables.schemas.runs import PHOTO_ATTENTION, PREDICTIONS
from grasp_psonet.tables.schemas.traces import KEEP_LIST
from grasp_psonet.trajectory.anchors import Anchor, load_weights, start_anchor
from grasp_psonet.trajectory.any_loop.recording import read_trajectory
from grasp_psonet.trajectory.law import read_law
from grasp_psonet.trajectory.machine import use_machine
from grasp_psonet.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class RunInputs:
    """What a run is trained from: tables and store of a study under the run's settings, less the photos that it removed.

    Where the encoder is frozen the run reads the features of the photos in place of the photos. ``number``: that of the
    training seed, which is the study's plus the number; splits are drawn by the study's alone.
    """

    study: Study
    settings: TrainNeeds
    cohort: Cohort
    removed: frozenset[str] = frozenset()
    number: int = 0

    @property
    def seed(self) -> int:
        """Names the batch plan, the start of what is not pretrained, and the augmentations."""
        return self.settings.seed + self.number

    @property
    def outcome(self) -> Outcome:
        """What is learned from a visit."""
        return self.settings.outcome

    @cached_property
    def store(self) -> PhotoStore:
        """The study's photos. Raises StageError where there is no complete store."""
        return open_store(self.study.store)

    @cached_property
    def features(self) -> FeatureStore:
        """The study's features. Raises StageError where there is no complete store of them."""
        return open_features(self.study.features)

    @cached_property
    def reads_features(self) -> bool:
        """Whether bags hold features in place of photos."""
        return reads_features(self.study, self.settings.network)

    @property
    def pixels(self) -> Pixels:
        """What bags are filled from: photos, or their features."""
        return self.features if self.reads_features else self.store.pixels

    @property
    def index(self) -> pd.DataFrame:
        """Row, photo_id and visit_id of each of them."""
        index = self.features.index if self.reads_features else self.store.index
        return with_regions(index, self.cohort.photos, self.cohort.views) if self.outcome.has_regions else index

    @cached_property
    def training_bags(self) -> dict[str, Bag]:
        """The bags of the train split; removed photos are absent, and visits that lost every photo are left out."""
        bags = self._bags("train", self.removed)
        return {visit_id: bag for visit_id, bag in bags.items() if any(bag.is_present)}

    def bags(self, split: str) -> list[Bag]:
        """The bags of a split; of the train split those that training sees, of others all with nothing removed."""
        if split == "train":
            return list(self.training_bags.values())
        return list(self._bags(split).values())

    @cached_property
    def source(self) -> BatchSource:
        """What makes the batches of training."""
        settings = self.settings
        probes = probe_reads_features(self.study, settings.network, settings.train)
        return BatchSource(
            self.training_bags,
            self.pixels,
            settings.train.augmentation,
            self.seed,
            reads_removed=settings.network.mask == "paper",
            probe_vectors=self.features if probes else None,
            probe_epochs=settings.train.probe_epochs if probes else 0,
            most_at_once=settings.micro_batch,
            recomputes=settings.gradient_checkpointing,
        )

    @cached_property
    def plan(self) -> pd.DataFrame:
        """The batch plan."""
        train = self.settings.train
        strata = {visit_id: self.outcome.stratum_of(label) for visit_id, label in self.source.labels.items()}
        return batch_plan(strata, train.epochs, train.visits_per_step, train.sampling, self.seed)

    def start_network(self) -> BagNetwork:
        """A network as it stands before the first step; a relative path of weights starts at the study folder."""
        network = self.build(with_weights_of(self.study, self.settings.network))
        if self.settings.gradient_checkpointing and network.encoder is not None:
            refuse_without_checkpointing(network.encoder, self.settings.network.encoder)
        return network

    def build(self, network: NetworkSettings) -> BagNetwork:
        """A network of this kind under these settings: one that reads what the run reads."""
        if self.reads_features:
            return build_network_on_features(read_card(self.study.features), network, self.seed, self.outcome)
        return build_network(network, self.settings.edge_px, self.seed, self.outcome)

    def _bags(self, split: str, removed: frozenset[str] = frozenset()) -> dict[str, Bag]:
        outcome = self.outcome
        return make_bags(self._visits_of(split), self.index, outcome.label_column, removed, outcome.part_columns)

    def _visits_of(self, split: str) -> pd.DataFrame:
        visits = self.cohort.visits
        return visits[visits[SPLIT] == split]


@dataclass(frozen=True)
class TrainedRun:
    """A complete run of a study: its settings as trained, what it was trained from, and what it left.

    Everything is opened on first use and kept, so that one value passed on reads each file once. It is opened with the study
    under its present settings, which may have changed since and are shown to nobody.
    """

    job: Job
    name: str = BASELINE

    @cached_property
    def folder(self) -> Path:
        """The run's folder, every byte of it proven. Raises StageError where it is not as it was made."""
        return proven(self.job.study.run(self.name))

    @cached_property
    def _job_as_trained(self) -> Job:
        """The study under the settings of the run. Raises StageError where the run is not complete."""
        return self.job.as_trained(self.folder)

    @cached_property
    def settings(self) -> TrainNeeds:
        """The settings as trained."""
        return needs_of(TrainNeeds, self._job_as_trained.settings)

    @property
    def outcome(self) -> Outcome:
        """What it learned from a visit."""
        return self.settings.outcome

    @cached_property
    def cohort(self) -> Cohort:
        """The study's tables as training read them: those of the job, unless cut-offs or splits were others then."""
        return self.job.cohort_for(self.settings)

    @cached_property
    def device(self) -> torch.device:
        """The machine of the run, made ready."""
        return use_machine(self.settings.device, self.settings.threads)

    @cached_property
    def inputs(self) -> RunInputs:
        """What it was trained from."""
        training = training_of(self.name)
        source = next((proven(Path(one)) for one in sources_of(self.job, training).values()), None)
        cohort, removed = trained_on(self.cohort, self.outcome, source, training)
        return RunInputs(self.job.study, self.settings, cohort, removed, training.number)

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """What is told of the run as a whole: kept step and epoch, validation figures, encoder, machine."""
        metrics: dict[str, Any] = read_json(self.folder / "metrics.json")
        return metrics

    @property
    def kept_step(self) -> int:
        """The step after which the kept weights stood."""
        return int(self.metrics["kept_step"])

    @cached_property
    def trajectory(self) -> Trajectory:
        """Anchors and step records."""
        return read_trajectory(self.folder, read_law(self.folder), self.kept_step)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What the kept network says of every visit (``predict_bags``), with its split."""
        return PREDICTIONS.read(self.folder / "predictions.parquet")

    @cached_property
    def attention(self) -> pd.DataFrame:
        """How much the kept network attends to every photo (``predict_bags``), with its split."""
        return PHOTO_ATTENTION.read(self.folder / "attention.parquet")

    def visits_of(self, split: str) -> pd.DataFrame:
        """The visits of a split as trained, in the order of the table."""
        visits = self.cohort.visits
        return visits[visits[SPLIT] == split]

    def predictions_of(self, split: str) -> pd.DataFrame:
        """The predictions of one split."""
        return self.predictions[self.predictions[SPLIT] == split]

    def network_at(self, step: int, device: torch.device | None = None) -> BagNetwork:
        """A network of its own with the weights after this step, which has an anchor; on the run's device unless told."""
        device = device or self.device
        with Undrawn():  # the anchor holds every weight
            network = self.inputs.build(replace(self.settings.network, weights="random")).to(device)
        load_weights(network, self.trajectory.read(step, device))
        return network

    def kept_network(self, device: torch.device | None = None) -> BagNetwork:
        """A network of its own with the weights that the run kept."""
        return self.network_at(self.kept_step, device)

    def photo_network(self, device: torch.device | None = None) -> BagNetwork:
        """The kept network as one that reads what the study holds: where the encoder is frozen it is put back.

        In a study of precomputed features there is none.
        """
        kept = self.kept_network(device)
        if kept.encoder is not None or self.job.kind == "features":
            return kept
        settings = with_weights_of(self.job.study, self.settings.network)
        return with_encoder(kept, settings, self.settings.edge_px, self.settings.seed)

    def start(self) -> Anchor:
        """The anchor before step 1, which runs do not keep: the network as it stood is made again."""
        return start_anchor(self.inputs.start_network().to(self.device))


def with_weights_of(study: Study, settings: NetworkSettings) -> NetworkSettings:
    """The settings with a relative path of encoder weights taken from the study folder."""
    if settings.weights in NAMED_WEIGHTS:
        return settings
    return replace(settings, weights=str(study.folder / settings.weights))


def trained_on(
    cohort: Cohort, outcome: Outcome, source: Path | None, training: Training
) -> tuple[Cohort, frozenset[str]]:
    """The tables and the photos left out of a training: ``source`` is the folder of its keep list or revision, None where it is
    trained on the study as it is."""
    if source is None:
        return cohort, frozenset()
    if training.revision is None:
        return cohort, removed_photos(source)
    revision = read_revision(source)
    return revision.applied_to(cohort, outcome), revision.excluded


def removed_photos(pruning: Path) -> frozenset[str]:
    """Ids of the photos that the keep list in this folder removes."""
    keep = KEEP_LIST.read(pruning / "keep.parquet", columns=[PHOTO_ID, KEPT])
    return frozenset(keep.loc[~keep[KEPT], PHOTO_ID])
