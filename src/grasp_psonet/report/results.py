"""results.json: every number of the report, with the numbers derived from them, by name and machine-readable."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import READERS
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.reported import Figures
from grasp_psonet.report.data import Arm, Audit, Confusion, Estimate, PlantedFault, ReportData, SplitCounts, Subgroup
from grasp_psonet.report.publication.facts import Facts
from grasp_psonet.report.publication.methods import methods_of
from grasp_psonet.tables.columns import val_column
from grasp_psonet.tables.results_schema import SCHEMA_VERSION

SCORE_SIGN = "positive = helpful, negative = harmful"
DIFFERENCE_SIGN = "positive = better than the baseline"
# Paper's Fig. 3 (left) and section 3.4: the largest-diagonal self-influence ranking of 100 doubly read visits.
PAPER_AUDIT = {"inspected": 0.3, "found": 0.903}
CHANCE_AUROC = 0.5  # of a ranking that knows nothing
SMALL_GROUP_VISITS = 30  # with fewer, an interval of a share is about as wide as a third of the scale


def results(report: ReportData) -> dict[str, Any]:
    """Plain nested values, ready for ``json.dumps(..., allow_nan=False)``; images are left out, NaN becomes None."""
    names = [arm.name for arm in report.arms]
    chosen = report.arms[names.index(report.chosen)]
    figures = figures_of(report.outcome)
    tree: dict[str, Any] = {"schema_version": SCHEMA_VERSION} | _plain(report)
    tree[f"reader_{figures.ceiling}"] = tree.pop("ceiling")
    del tree["outcome"]  # of the settings; what it says of visits is named by its columns
    _name_readings(tree, report.outcome)
    _count_traced(tree["traced"])
    if tree["photos"] is not None:
        del tree["photos"]["pictures"]
    overall = chosen.removed / report.train_photos
    tree |= {
        "score_sign": SCORE_SIGN,
        "difference_sign": DIFFERENCE_SIGN,
        "severities": list(report.outcome.strata),
        "chosen_index": names.index(report.chosen),
        "control_index": _control_index(report.arms, chosen),
        "overall_removal": {"removed": chosen.removed, "photos": report.train_photos, "rate": overall},
        "verdicts": [verdict(of_reader.differences.get(figures.choosing)) for of_reader in chosen.figures],
        "control_verdicts": [verdict(difference) for difference in report.against_random],
        "paper_audit": dict(PAPER_AUDIT),
        "total": {
            "visits": sum(split.visits for split in report.splits),
            "patients": sum(split.patients for split in report.splits),
            "photos": sum(split.photos for split in report.splits),
            "read_twice": sum(split.read_twice for split in report.splits),
            "disagreements": sum(split.disagreements for split in report.splits),
        },
    }
    _add_context(tree, report, figures)
    for plain in [*tree["arms"], *([tree["probe"]] if report.probe is not None else [])]:
        plain[val_column(figures.choosing)] = plain.pop("val")
        plain["figures"] = [_by_name(of_reader, figures.shown) for of_reader in plain["figures"]]
    for arm, plain in zip(report.arms, tree["arms"], strict=True):
        plain["is_chosen"] = arm.name == report.chosen
        plain["removed_fraction"] = arm.removed / report.train_photos
    for split, plain in zip(report.splits, tree["splits"], strict=True):
        plain.update(_class_mix(split))
    for confusion, plain in zip(report.confusions, tree["confusions"], strict=True):
        plain.update(_confusion_shares(confusion))
    for test, plain in zip(
        report.maps.tests if report.maps else (), (tree["maps"] or {}).get("tests", ()), strict=True
    ):
        plain |= {"deletion_verdict": verdict(test.deletion), "insertion_verdict": verdict(test.insertion)}
    tree["comparisons"] = _comparisons(report)
    tree["removal_warnings"] = [
        {"run": run, "is_chosen": run == report.chosen, "warnings": list(warnings)}
        for run, warnings in sorted(report.removal_warnings.items(), key=lambda item: item[0] != report.chosen)
    ]
    for rate in tree["removal"]:
        rate["rate"] = _ratio(rate["removed"], rate["photos"])
    if report.truth is not None:
        control = tree["control_index"]
        drawn = None if control is None else report.arms[control].removed
        tree["truth"] = [
            plain | _planted_shares(fault, chosen.removed, drawn, report.train_photos)
            for fault, plain in zip(report.truth, tree["truth"], strict=True)
        ]
    tree["publication"] = {"methods": methods_of(Facts(tree, report.outcome))}
    return tree


def _comparisons(report: ReportData) -> dict[str, Any]:
    """How many removals were compared on validation, and how many paired differences to the baseline are shown.

    ``beside_zero_by_chance``: of these differences, how many intervals are expected to lie beside 0 where none differs.
    """
    differences = [
        difference
        for arm in report.arms
        for of_reader in arm.figures
        for difference in of_reader.differences.values()
        if difference.low is not None
    ]
    return {
        "removals": sum(arm.kind == "pruned" for arm in report.arms),
        "differences": len(differences),
        "beside_zero_by_chance": (1 - report.confidence) * len(differences),
    }


def verdict(difference: Estimate | None) -> str:
    """better or worse where the whole interval lies on one side of 0; unclear where it holds 0; unknown without one."""
    if difference is None or difference.low is None or difference.high is None:
        return "unknown"
    if not (math.isfinite(difference.low) and math.isfinite(difference.high)):
        return "unknown"
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "unclear"


def _is_chance(audit: Audit) -> bool | None:
    """Whether the interval of what the review list finds holds what inspecting at random would; None without an interval."""
    own = [ranking.found_at for ranking in audit.rankings if ranking.name == audit.ranking]
    if not own or own[0].low is None or own[0].high is None:
        return None
    return own[0].low <= audit.inspected


def _add_context(tree: dict[str, Any], report: ReportData, figures: Figures) -> None:
    """What figures are to be held against: chance, the size of their group, the time they took."""
    tree["chance"] = {name: figures.metrics[name].chance for name in figures.shown} | {"auroc": CHANCE_AUROC}
    tree["small_groups"] = _small_groups(report.subgroups)
    if report.clock is not None:
        tree["clock"]["seconds"] = report.clock.seconds
    if report.audit is not None:
        tree["audit"]["is_chance"] = _is_chance(report.audit)


def _small_groups(subgroups: tuple[Subgroup, ...]) -> dict[str, Any]:
    """Groups of test visits whose figures are to be distrusted, the smallest first: fewer than ``below`` visits of Reader 1."""
    first = [one for one in subgroups if one.reader == subgroups[0].reader and one.column != "all"]
    small = sorted((one for one in first if one.visits < SMALL_GROUP_VISITS), key=lambda one: one.visits)
    told = [{"column": one.column, "group": one.group, "visits": one.visits} for one in small]
    return {"below": SMALL_GROUP_VISITS, "groups": told, "num_groups": len(told), "of": len(first)}


def _name_readings(tree: dict[str, Any], outcome: Outcome) -> None:
    """Labels and scores of visits under the outcome's own columns; no score where it has none."""
    score = outcome.scale.score_column
    for photo in tree["flagged"]:
        photo["severity"] = photo.pop("label")
    for error in tree["errors"]:
        reading = error.pop("reading")
        if score is not None:
            error[score] = reading
    for visit in tree["audit"]["review"] if tree["audit"] else ():
        for reader, column in zip(READERS, outcome.label_columns, strict=True):
            visit[column] = visit.pop(f"label_{reader}")
        readings = [visit.pop(f"reading_{reader}") for reader in READERS]
        if score is None:
            del visit["cutoff_distance"]
        else:
            visit.update(zip(outcome.score_columns, readings, strict=True))


def _count_traced(traced: dict[str, Any] | None) -> None:
    """How many errors there are, and how many each photo pushed; the thumbnails are left out."""
    if traced is None:
        return
    del traced["pictures"]
    traced["num_errors"] = len(traced["errors"])
    for photo in traced["photos"]:
        photo["num_errors"] = len(photo["errors"])


def _by_name(of_reader: dict[str, Any], shown: Sequence[str]) -> dict[str, Any]:
    """The figures against a reader and their differences (None at the baseline), by name."""
    differences = {f"{name}_difference": of_reader["differences"].get(name) for name in shown}
    return {name: of_reader["figures"][name] for name in shown} | differences


def _control_index(arms: tuple[Arm, ...], chosen: Arm) -> int | None:
    """The random removal that is compared with the chosen run."""
    matching = [i for i, arm in enumerate(arms) if arm.name == f"{chosen.name}-random"]
    return matching[0] if matching and chosen.kind == "pruned" else None


def _class_mix(split: SplitCounts) -> dict[str, Any]:
    shares = [_ratio(count, sum(split.classes)) for count in split.classes]
    return {"class_shares": shares, "disagreement_rate": _ratio(split.disagreements, split.read_twice)}


def _confusion_shares(confusion: Confusion) -> dict[str, Any]:
    """Shares of each label's visits (rows), and the share on the diagonal."""
    total = sum(map(sum, confusion.counts))
    correct = sum(confusion.counts[i][i] for i in range(len(confusion.counts)))
    shares = [[_ratio(count, sum(row)) for count in row] for row in confusion.counts]
    most_common = max(map(sum, confusion.counts))
    return {
        "shares": shares,
        "visits": total,
        "correct": correct,
        "accuracy": _ratio(correct, total),
        "most_common_share": _ratio(most_common, total),
    }


def _planted_shares(fault: PlantedFault, removed: int, drawn: int | None, photos: int) -> dict[str, Any]:
    """precision: removed photos that bear the fault; recall: photos with the fault that were removed; base_rate: chance."""
    at_random = fault.removed_at_random
    return {
        "precision": _ratio(fault.removed, removed),
        "recall": _ratio(fault.removed, fault.planted),
        "base_rate": _ratio(fault.planted, photos),
        "precision_at_random": None if at_random is None or drawn is None else _ratio(at_random, drawn),
        "recall_at_random": None if at_random is None else _ratio(at_random, fault.planted),
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _plain(value: Any) -> Any:
    """Dataclasses as dicts without their images, tuples as lists, numpy scalars as Python's, NaN as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.type not in (bytes, bytes | None)
        }
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
