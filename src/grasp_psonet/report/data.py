"""What the report is made from: plain values that the caller fills from the stages of a study.

Labels are those of ``outcome`` (of classes: numbers from 0); fractions are in [0, 1]; readings are points on its scale.
Scores of photos: positive = helpful, negative = harmful. Figures go by the name of their metric. Differences: positive =
better than the baseline, also of metrics of which less is better. A number that does not exist is None, with a reason
where one is known, and is shown as "not estimable". Photos are JPEG or PNG bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.report.compared import Compared
from grasp_psonet.report.curves import TrainingCurve
from grasp_psonet.report.detailed import Detail
from grasp_psonet.report.diagnosed import Diagnosis
from grasp_psonet.report.explorer import AllPhotos
from grasp_psonet.report.made import Clock
from grasp_psonet.report.over_time import OverTime
from grasp_psonet.report.pictured import ErrorVisit, FlaggedPhoto
from grasp_psonet.report.traced import Traced

if TYPE_CHECKING:
    from grasp_psonet.report.reread import Reading

Kind = Literal["baseline", "pruned", "random", "class", "loss"]


@dataclass(frozen=True)
class Estimate:
    """A figure with its patient-clustered interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why_not: str = ""


@dataclass(frozen=True)
class SplitCounts:
    """Size and mix of one split; ``classes`` counts visits by the outcome's stratum (of classes: Reader 1's class)."""

    split: str
    visits: int
    patients: int
    photos: int
    classes: tuple[int, ...]
    read_twice: int
    disagreements: int


@dataclass(frozen=True)
class ReaderFigures:
    """One run on the test split against one reader; ``differences`` to the baseline are paired, and none at the baseline."""

    figures: Mapping[str, Estimate]
    differences: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One trained network: ``k`` photos taken for each error, or for all (0 for the baseline), ``removed`` photos in all.

    ``figures`` stand in the order of ``ReportData.readers``. ``most_possible``: photos that k allows (None where whole visits
    or patients leave). ``fraction`` of the training photos (visits, patients) that k was set as; None where it was a count.
    ``named``: the word of ``prune.k`` where the scores themselves named the photos; empty where k was set. ``val``: the figure
    that chooses, on validation. A control (random by visit, random by class, loss) has the k of the removal it matches.
    """

    name: str
    kind: Kind
    k: int
    removed: int
    val: float | None
    figures: tuple[ReaderFigures, ...]
    most_possible: int | None = None
    fraction: float | None = None
    named: str = ""


@dataclass(frozen=True)
class Probe:
    """The linear probe on frozen features, beside the networks; its figures as those of an arm."""

    val: float | None
    figures: tuple[ReaderFigures, ...]


@dataclass(frozen=True)
class Confusion:
    """Test visits of one run against one reader: ``counts[label][predicted]``."""

    arm: str
    reader: str
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class RemovalRate:
    """Removed training photos of one group, e.g. column "fitzpatrick", group "IV".

    ``share`` of its photos, ``ratio`` of that to the share of all others, ``of_removed``: part of the removed photos that is
    of this group. ``warning`` says why the group is to be looked at; empty where nothing is to be said.
    """

    column: str
    group: str
    removed: int
    photos: int
    share: Estimate = Estimate(None)
    ratio: Estimate = Estimate(None)
    of_removed: float | None = None
    warning: str = ""


@dataclass(frozen=True)
class MapShare:
    """How much of the maps of photos lies ``on`` plaque or background: mean part of the heat, and of the photo's ``area``.

    ``reason``: the photos, flagged or error. ``chosen`` and ``change`` (chosen minus baseline, on the same photos) are None
    where no pruning was chosen.
    """

    reason: str
    method: str
    on: Literal["plaque", "background"]
    photos: int
    area: Estimate
    baseline: Estimate
    chosen: Estimate | None = None
    change: Estimate | None = None


@dataclass(frozen=True)
class MapTest:
    """By how much the maps of a run beat random order: means of the paired differences of areas under the curves of deletion
    and insertion, positive = better, in units of the output."""

    run: str
    method: str
    photos: int
    deletion: Estimate
    insertion: Estimate


@dataclass(frozen=True)
class Maps:
    """What the maps of photos say together. ``shares`` are empty where no mask of the plaques is known, ``tests`` where
    deletion and insertion were not measured."""

    methods: tuple[str, ...]
    shares: tuple[MapShare, ...] = ()
    tests: tuple[MapTest, ...] = ()


@dataclass(frozen=True)
class ReviewVisit:
    """A visit of the review list, first to be read again first. ``cutoff_distance``: points to the nearest cut-off."""

    visit_id: str
    score: float
    label_reader1: float
    label_reader2: float | None
    reading_reader1: float | None
    reading_reader2: float | None
    cutoff_distance: float | None


@dataclass(frozen=True)
class Ranking:
    """How one ranking finds the disagreements: points of the curve, ``found_at`` the inspected fraction of the audit, and its
    AUROC where it orders visits within Reader 1's class alone."""

    name: str
    inspected: tuple[float, ...]
    found: tuple[float, ...]
    found_at: Estimate
    auroc: Estimate
    average_precision: Estimate
    auroc_within_class: Estimate = Estimate(None)


@dataclass(frozen=True)
class Audit:
    """Which training visits should be read again; ``rankings``, the review list's first, is empty where none was read twice."""

    ranking: str
    visits: int
    read_twice: int
    disagreements: int
    inspected: float
    review: tuple[ReviewVisit, ...]
    rankings: tuple[Ranking, ...] = ()
    why_not: str = ""


@dataclass(frozen=True)
class Subgroup:
    """A figure in a group of test visits, baseline and chosen run, against the reader named.

    ``metric`` names the figure: the one that chooses, or the one for groups too small for that.
    """

    column: str
    group: str
    reader: str
    visits: int
    patients: int
    metric: str
    baseline: Estimate
    chosen: Estimate


@dataclass(frozen=True)
class PlantedFault:
    """Training photos with one planted fault, how many the chosen run removed, and how many the random control did."""

    fault: str
    planted: int
    removed: int
    removed_at_random: int | None = None


@dataclass(frozen=True)
class Making:
    """How the report came about: settings by dotted path, versions, seeds, the digest of the study's
    tables, limits and warnings in plain words."""

    command: str
    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    seeds: tuple[tuple[str, int], ...]
    data_digest: str = ""
    limits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportData:
    """Everything that the page and results.json hold. ``chosen`` names an arm; the baseline's name where nothing is pruned.

    ``arms`` are in table order, the baseline first. ``against_random``: paired difference of the chosen run to its random
    control in the figure that chooses, per reader. ``ceiling``: Reader 2 against Reader 1 on test. ``remove``: what leaves
    with a photo. ``has_one_ranking``: one ranking served all ``num_queries`` visits. ``of_every_epoch``: they are those that
    the baseline got wrong at some recorded epoch, not at the kept one alone;
    ``num_errors``: those of the kept one. ``min_gain_se``: standard errors by which pruning had to win. ``learning``: what is
    wrong with what the baseline learned; empty where nothing is. ``training_seeds``: trainings of each arm, whose figures are
    means; confusion matrices, errors, maps and subgroup photos are of the first. ``maps`` is None without photos, ``detail``
    where the figures of the runs say it all, ``traced`` without a trace. ``removal`` is of the chosen run,
    ``removal_warnings`` of every pruned run. ``compared`` is None where pairs of runs
    were not evaluated. ``clock`` is all that depends on when and where it was made.
    """

    study: str
    is_synthetic: bool
    encoder: str
    formula: str
    confidence: float
    readers: tuple[str, ...]
    splits: tuple[SplitCounts, ...]
    train_photos: int
    num_queries: int
    arms: tuple[Arm, ...]
    chosen: str
    making: Making
    outcome: Outcome = Outcome()
    against_random: tuple[Estimate, ...] = ()
    ceiling: Estimate | None = None
    confusions: tuple[Confusion, ...] = ()
    flagged: tuple[FlaggedPhoto, ...] = ()
    removal: tuple[RemovalRate, ...] = ()
    errors: tuple[ErrorVisit, ...] = ()
    maps: Maps | None = None
    audit: Audit | None = None
    subgroups: tuple[Subgroup, ...] = ()
    truth: tuple[PlantedFault, ...] | None = None
    end: Literal["harmful", "helpful", "largest"] = "harmful"
    remove: Literal["photo", "visit", "patient"] = "photo"
    has_one_ranking: bool = False
    of_every_epoch: bool = False
    num_errors: int = 0
    min_gain_se: float = 0.0
    probe: Probe | None = None
    learning: str = ""
    training_seeds: int = 1
    removal_warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    detail: Detail | None = None
    over_time: OverTime | None = None
    reading: "Reading | None" = None
    traced: Traced | None = None
    photos: AllPhotos | None = None
    curves: tuple[TrainingCurve, ...] = ()
    clock: Clock | None = None
    compared: Compared | None = None

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        assert len(set(names)) == len(names), f"arms share a name: {names}"
        assert self.chosen in names, f"chosen run {self.chosen} is not among {names}"
        assert self.arms[0].kind == "baseline", "the baseline comes first"
        assert all(len(split.classes) == len(self.outcome.strata) for split in self.splits), "one count per stratum"
        assert all(len(arm.figures) == len(self.readers) for arm in self.arms), "one ReaderFigures per reader and arm"
        assert len(self.against_random) in (0, len(self.readers)), "one paired difference per reader, or none"
