"""Is the planted cause the first finding, and is anything found where nothing was planted?

On real traces: the cohorts of ``HELD_OUT`` (``cohorts.py``) with a shortcut and without, flagged by the product. On simulated
flags, which cost no training: in the cohorts of ``SIMULATED_ON`` half of the flags on photos with the fault and half on others
of their class; and, where nothing is shared, flags on photos without the fault, some visits at a time. Each several times.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.evidence.cohorts import FEATURES, HELD_OUT, SIMULATED_ON, PlantedCohort, made, make_together
from benchmarks.evidence.scope import Scope
from grasp_psonet.chance import generator
from grasp_psonet.diagnosis.described import DescribedPhotos, describe, traits_of
from grasp_psonet.diagnosis.findings import Finding, findings, verdict_of
from grasp_psonet.features.store import open_features
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.schemas.diagnosis import FLAGGED
from grasp_psonet.tables.schemas.store import STORE_INDEX

# what names a fault: a measure with its tail; a cluster does where most of the training photos in it bear the fault
NAMES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "colour_cast": (("cast_red_green", "low"), ("cast_yellow_blue", "low")),
    "under_exposure": (("brightness", "low"), ("contrast", "low")),  # too little light takes both
    "blur": (("sharpness", "low"),),
    "background": (),
    "marker": (),
}
_MOSTLY = 0.5
SIMULATED_FLAGS, SIMULATED_SHARE, SIMULATIONS = 40, 0.5, 5


@dataclass(frozen=True, eq=False)
class Known:
    """A cohort's photos as described, and per photo whether it bears the planted fault."""

    job: Job
    described: DescribedPhotos
    is_planted_P: NDArray[np.bool]

    def findings(self, flagged: Iterable[str]) -> list[Finding]:
        own = self.job.settings
        traits = traits_of(self.described, own.diagnose.clusters, own.seed)
        test = (own.diagnose.permutations, own.seed)
        return findings(self.described, traits, list(flagged), self.job.outcome.strata, test)

    def names_the_cause(self, found: Finding, fault: str) -> bool:
        """Whether the finding is the planted fault."""
        if found.trait.kind != "cluster":
            return (found.trait.name, found.trait.value) in NAMES[fault]
        inside_P = found.trait.has_P & self.described.is_train
        return bool(self.is_planted_P[inside_P].mean() > _MOSTLY)


def known(job: Job) -> Known:
    """The finished study of a drawn cohort."""
    store = open_features(job.study.features)
    quality = STORE_INDEX.read(job.study.store / "index.parquet")
    features = (store.index, np.asarray(store.vectors[:, 0], dtype=np.float64))
    described = describe(job.cohort.photos, job.cohort.visits, job.outcome, quality, features)
    truth = pd.read_parquet(job.study.truth_file).set_index("photo_id")["is_shortcut"]
    return Known(job, described, truth.loc[list(described.photo_ids)].to_numpy(np.bool))


def enrichment(scope: Scope) -> dict[str, Any]:
    """``enrichment_named_first``: share of the cohorts with a shortcut whose first finding is its fault and above "none found".
    ``enrichment_false_alarms``: share of those without one whose verdict is above "none found". The same for simulated flags.
    """
    folder = scope.folder / "cohorts"
    traced, simulated = [], []
    cohorts = [cohort for cohort in chosen(scope, HELD_OUT) if cohort.kind in ("shortcut", "both", "none")]
    make_together(folder, cohorts, scope.processes)
    make_together(folder, chosen(scope, SIMULATED_ON), scope.processes, FEATURES)
    for cohort in cohorts:
        one = known(made(folder, cohort))
        flagged = FLAGGED.read(one.job.study.diagnosis / "flagged.parquet")["photo_id"]
        traced.append(row_of(one, cohort, flagged))
    for cohort in chosen(scope, SIMULATED_ON):
        one = known(made(folder, cohort, FEATURES))
        without = replace(cohort, kind="none", fault="none")
        for number in range(SIMULATIONS):
            simulated.append(row_of(one, cohort, flags_on_the_fault(one, number)))
            simulated.append(row_of(one, without, flags_on_visits(one, number)))
    return {
        **summary(traced, "enrichment"),
        **summary(simulated, "enrichment_simulated"),
        "enrichment_cohorts": traced,
        "enrichment_simulated_cohorts": simulated,
    }


def chosen(scope: Scope, cohorts: tuple[PlantedCohort, ...]) -> tuple[PlantedCohort, ...]:
    """The cohorts that figures come from; of a quick scope the first alone."""
    return cohorts[: 1 if scope.is_quick else scope.num_cohorts]


def row_of(one: Known, cohort: PlantedCohort, flagged: Iterable[str]) -> dict[str, Any]:
    """What was found of these flagged photos. ``planted_share_of_first``: of those that carry the first finding, how many bear
    the planted fault."""
    ids = list(flagged)
    found = one.findings(ids)
    is_flagged_P = np.isin(one.described.photo_ids, np.asarray(ids, dtype=object))
    first = found[0] if found else None
    carriers_P = is_flagged_P & first.trait.has_P if first is not None else np.zeros_like(is_flagged_P)
    return {
        "cohort": cohort.name,
        "has_cause": cohort.fault != "none",
        "verdict": verdict_of(found),
        "flagged": len(ids),
        "planted_share": float(one.is_planted_P[is_flagged_P].mean()) if ids else None,
        "first": None if first is None else f"{first.trait.name}, {first.trait.value}",
        "planted_share_of_first": float(one.is_planted_P[carriers_P].mean()) if carriers_P.any() else None,
        "ratio": None if first is None else first.enriched.ratio,
        "excess": None if first is None else first.enriched.excess,
        "p_corrected": None if first is None else first.enriched.p_corrected,
        "is_named": first is not None
        and cohort.fault != "none"
        and first.strength != "none found"
        and one.names_the_cause(first, cohort.fault),
    }


def flags_on_the_fault(one: Known, number: int) -> list[str]:
    """Flags of which a part lies on training photos with the planted fault, the others on photos of the same class."""
    rng = generator("simulated flags on the fault", one.job.settings.seed, number)
    is_train_P, ids = one.described.is_train, one.described.photo_ids
    is_planted_P = is_train_P & one.is_planted_P
    is_other_P = is_train_P & ~one.is_planted_P & np.isin(one.described.label, one.described.label[is_planted_P])
    num = round(SIMULATED_SHARE * SIMULATED_FLAGS)
    return [*rng.permutation(ids[is_planted_P])[:num], *rng.permutation(ids[is_other_P])[: SIMULATED_FLAGS - num]]


def flags_on_visits(one: Known, number: int) -> list[str]:
    """Flags on training photos without the fault, about four photos a visit, as flags come in visits."""
    rng = generator("simulated flags on visits", one.job.settings.seed, number)
    visits = one.described.table["visit_id"].to_numpy(dtype=object)
    is_clean_P = one.described.is_train & ~one.is_planted_P
    some = rng.permutation(np.unique(visits[is_clean_P]))[: SIMULATED_FLAGS // 4]
    return list(rng.permutation(one.described.photo_ids[is_clean_P & np.isin(visits, some)])[:SIMULATED_FLAGS])


def summary(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Shares over cohorts with and without a cause, and their numbers."""
    with_cause = [row["is_named"] for row in rows if row["has_cause"]]
    without = [row["verdict"] != "none found" for row in rows if not row["has_cause"]]
    return {
        f"{name}_named_first": float(np.mean(with_cause)) if with_cause else None,
        f"{name}_with_cause": len(with_cause),
        f"{name}_false_alarms": float(np.mean(without)) if without else None,
        f"{name}_without_cause": len(without),
    }
