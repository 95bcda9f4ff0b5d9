"""``grasp diagnose``: what the flagged photos share, and what is wrong with the study."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.diagnosis.described import STRATUM, DescribedPhotos, describe, traits_of
from grasp_psonet.diagnosis.diagnosis import Diagnosed, Evidence, Figure, diagnose
from grasp_psonet.diagnosis.findings import ClassShares, Finding, findings, verdict_of
from grasp_psonet.diagnosis.flagged import flagged_photos, within_class_and_view
from grasp_psonet.diagnosis.galleries import gallery
from grasp_psonet.diagnosis.retraining import Removal, Retraining, weighed
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.learning import BASELINE, PRIOR, PROBE
from grasp_psonet.features.store import open_features
from grasp_psonet.files import read_json, write_json
from grasp_psonet.pruning.stand_out import stands_out
from grasp_psonet.stages.declared.needs import DiagnoseNeeds
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import (
    AGAINST,
    FINDING,
    GROSS_ERROR,
    HIGH,
    LOW,
    PHOTO_ID,
    RUN,
    SCORE,
    VALUE,
    VISIT_ID,
    val_column,
)
from grasp_psonet.tables.schemas.audit import AUDIT_VISITS
from grasp_psonet.tables.schemas.diagnosis import FINDING_PHOTOS, FINDINGS, FLAGGED
from grasp_psonet.tables.schemas.out_of_fold import LEARNING
from grasp_psonet.tables.schemas.store import STORE_INDEX
from grasp_psonet.tables.schemas.traces import KEEP_LIST, SCORES
from grasp_psonet.tables.table import Table

log = logging.getLogger("grasp_psonet")

DIAGNOSIS = "diagnosis.json"
_MOST_SHOWN = 5  # findings with a gallery


@dataclass(frozen=True)
class DiagnosisInputs:
    """What is read: the study's stages, its trace, the keep list whose photos are flagged (None: none), and whether
    there are photos, whose quality was measured."""

    study: Study
    trace: Path
    pruning: Path | None
    has_photos: bool

    def keep(self) -> pd.DataFrame | None:
        return None if self.pruning is None else KEEP_LIST.read(self.pruning / "keep.parquet")


def make_diagnosis(folder: Path, own: DiagnoseNeeds, inputs: DiagnosisInputs, cohort: Cohort) -> None:
    """Leaves the flagged photos, the findings with the photos that show them, and the diagnosis in the folder."""
    described = _described(inputs, own, cohort)
    training = described.table[described.is_train]
    scores = SCORES.read(inputs.trace / "scores.parquet")
    flagged = flagged_photos(inputs.keep(), scores, training, is_within_class=own.within != "none")
    FLAGGED.write(flagged, folder / "flagged.parquet")
    traits = traits_of(described, own.diagnose.clusters, own.seed)
    ids, test = flagged[PHOTO_ID].tolist(), (own.diagnose.permutations, own.seed)
    retraining = _retraining(inputs.study, own)
    found = weighed(findings(described, traits, ids, own.outcome.strata, test), retraining)
    FINDINGS.write(findings_table(found), folder / "findings.parquet")
    FINDING_PHOTOS.write(_galleries(described, found, ids, own.diagnose.gallery), folder / "photos.parquet")
    seen = _evidence(inputs.study, own, training, found, num_flagged=len(ids), scores=scores, retraining=retraining)
    told = diagnose(seen)
    write_json(folder / DIAGNOSIS, _plain(told, seen))
    log.info("  diagnosis: %s", told.in_words)
    for sentence in told.evidence:
        log.info("  %s", sentence)


def _described(inputs: DiagnosisInputs, own: DiagnoseNeeds, cohort: Cohort) -> DescribedPhotos:
    store = open_features(inputs.study.features)
    quality = STORE_INDEX.read(inputs.study.store / "index.parquet") if inputs.has_photos else None
    features = (store.index, np.asarray(store.vectors[:, 0], dtype=np.float64))
    return describe(cohort.photos, cohort.visits, own.outcome, quality, features)


def findings_table(found: Sequence[Finding]) -> pd.DataFrame:
    """The findings as their table states them."""
    rows = [
        (
            rank,
            one.trait.kind,
            one.trait.name,
            one.trait.value,
            one.strength,
            one.sentence,
            one.enriched.num_flagged,
            one.enriched.num_patients,
            one.enriched.share,
            one.enriched.expected,
            one.enriched.ratio,
            one.enriched.odds_ratio,
            one.enriched.difference,
            one.enriched.z,
            one.enriched.p,
            one.enriched.p_corrected,
            one.class_name,
            *_shares(one.in_training),
            *_shares(one.in_validation),
        )
        for rank, one in enumerate(found, start=1)
    ]
    table = pd.DataFrame(rows, columns=FINDINGS.names)
    return table.astype(_dtypes(FINDINGS))


def _shares(told: ClassShares | None) -> tuple[float | None, float | None]:
    return (None, None) if told is None else (told.own, told.other)


def _dtypes(table: Table) -> dict[str, str]:
    """What pandas holds the columns in, also of an empty table."""
    return {column.name: column.dtype if column.dtype in ("float64", "int64") else "object" for column in table.columns}


def _galleries(described: DescribedPhotos, found: Sequence[Finding], flagged: list[str], most: int) -> pd.DataFrame:
    """The galleries of the likely and possible patterns, as many as are shown."""
    parts = [
        gallery(described, one.trait, flagged, most).assign(**{FINDING: rank})
        for rank, one in enumerate(found[:_MOST_SHOWN], start=1)
        if one.strength != "none found"
    ]
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=FINDING_PHOTOS.names).astype(_dtypes(FINDING_PHOTOS))
    return pd.concat(filled, ignore_index=True)[FINDING_PHOTOS.names]


def _evidence(
    study: Study,
    own: DiagnoseNeeds,
    training: pd.DataFrame,
    found: Sequence[Finding],
    *,
    num_flagged: int,
    scores: pd.DataFrame,
    retraining: Retraining,
) -> Evidence:
    learning = LEARNING.read(study.learning / "figure.parquet")
    audit = AUDIT_VISITS.read(study.audit / "visits.parquet")
    visits = training.drop_duplicates(VISIT_ID)
    of_class = visits[STRATUM].value_counts().reindex(range(len(own.outcome.strata)), fill_value=0)
    harm = within_class_and_view(scores, training)
    standing_out = stands_out(harm[SCORE].to_numpy(np.float64), harm[STRATUM].to_numpy(np.int64), own.false_discovery)
    verdict = verdict_of(found)
    return Evidence(
        word=figures_of(own.outcome).chooser.word,
        baseline=_figure(learning, BASELINE),
        probe=_figure(learning, PROBE),
        prior=_figure(learning, PRIOR),
        over_prior=_figure(learning, BASELINE, PRIOR),
        over_probe=_figure(learning, BASELINE, PROBE),
        rarest_class=int(of_class.min()),
        num_flagged=num_flagged,
        num_standing_out=int(standing_out.sum()),
        num_photos=len(training),
        verdict=verdict,
        first_finding="" if verdict == "none found" else found[0].sentence,
        wrong_labels=float(audit[GROSS_ERROR].mean()) if GROSS_ERROR in audit else None,
        wrong_label=figures_of(own.outcome).wrong_label,
        retraining=retraining.sentence,
    )


def _retraining(study: Study, own: DiagnoseNeeds) -> Retraining:
    """What the removals gained, as the choice of k on validation tells it."""
    figures = figures_of(own.outcome)
    choice = read_json(study.evaluation / "choice.json")
    val, ses = choice[f"{val_column(figures.choosing)}_by_run"], choice["gain_se_by_run"]
    removals = []
    for name in val:
        if name == BASELINE or (ses[name] is None and val[name] == val[BASELINE]):  # the latter removes nothing
            continue
        known = val[name] is not None and val[BASELINE] is not None
        gain = figures.chooser.sign * (val[name] - val[BASELINE]) if known else None
        removals.append(Removal(gain, ses[name]))
    return Retraining(figures.chooser.word, tuple(removals))


def _figure(learning: pd.DataFrame, run: str, against: str = "") -> Figure:
    row = learning[(learning[RUN] == run) & (learning[AGAINST] == against)].iloc[0]
    value, low, high = (None if pd.isna(row[name]) else float(row[name]) for name in (VALUE, LOW, HIGH))
    return Figure(value, low, high)


def _plain(told: Diagnosed, seen: Evidence) -> dict[str, object]:
    return {
        "diagnosis": told.diagnosis,
        "in_words": told.in_words,
        "evidence": list(told.evidence),
        "verdict": seen.verdict,
        "figures": asdict(seen),
    }
