"""``grasp audit``: training visits ranked for re-reading, by self-influence and by simpler rankings beside it."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.audit.curves import audit_curves
from grasp_psonet.audit.out_of_fold_rankings import out_of_fold_rankings
from grasp_psonet.audit.table import audit_table, review_list
from grasp_psonet.features.store import open_features
from grasp_psonet.influence.formulas import FORMULAS, Formula
from grasp_psonet.influence.tracing.self_influence import self_influence
from grasp_psonet.out_of_fold.predict import averaged
from grasp_psonet.progress import progress
from grasp_psonet.stages.declared.needs import AuditNeeds
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import IS_AUDITED, OTHER_PHOTO_ID, PHOTO_ID, SELF_INFLUENCE, VISIT_ID
from grasp_psonet.tables.schemas.audit import (
    AUDIT_CURVE,
    AUDIT_DIFFERENCES,
    AUDIT_SUMMARY,
    AUDIT_VISITS,
    PAPER_AUDIT_VISITS,
    REVIEW,
    SELF_INFLUENCES,
)
from grasp_psonet.tables.schemas.out_of_fold import OUT_OF_FOLD
from grasp_psonet.training.predict import bags_of_photos
from grasp_psonet.trajectory.trained_network import TrainedNetwork

log = logging.getLogger("grasp_psonet")


def make_audit(folder: Path, own: AuditNeeds, run: TrainedRun, study: Study, papers: Path | None = None) -> None:
    """Ranks the run's training visits and leaves the tables of the audit in the folder; curve and figures of the paper's audit
    (its folder: ``papers``) stand beside those of the rankings, over its own visits."""
    matrices = _self_influence(run, FORMULAS[own.audit.formula])
    SELF_INFLUENCES.write(matrices, folder / "self_influence.parquet")
    diagonal = matrices[matrices[PHOTO_ID] == matrices[OTHER_PHOTO_ID]]
    visits, predictions = run.visits_of("train"), run.predictions_of("train")
    further = _rankings_out_of_fold(run, study.features, study.out_of_fold)
    table = audit_table(visits, predictions, run.trajectory.steps, diagonal, run.cohort.outcome, own.seed, further)
    AUDIT_VISITS.write(table, folder / "visits.parquet")
    REVIEW.write(review_list(table, own.audit), folder / "review.parquet")
    curves = audit_curves(table, own.audit, own.evaluate, own.seed)
    beside = [] if papers is None else [audit_curves(_of_paper(papers), own.audit, own.evaluate, own.seed)]
    AUDIT_CURVE.write(_put_together([curves.curve, *(one.curve for one in beside)]), folder / "curve.parquet")
    AUDIT_SUMMARY.write(_put_together([curves.summary, *(one.summary for one in beside)]), folder / "summary.parquet")
    AUDIT_DIFFERENCES.write(curves.differences, folder / "differences.parquet")
    (folder / "why_not.txt").write_text(curves.why_not, encoding="utf-8")
    if curves.why_not:
        log.warning("  no curve: %s", curves.why_not)


def _of_paper(folder: Path) -> pd.DataFrame:
    """The paper's audit as an audit table of its own: every drawn visit was read twice and trained on."""
    return PAPER_AUDIT_VISITS.read(folder / "visits.parquet").assign(**{IS_AUDITED: True})


def _put_together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns below each other; empty ones say nothing of types."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _rankings_out_of_fold(run: TrainedRun, features: Path, out_of_fold: Path) -> pd.DataFrame:
    """The rankings of train and val, where the predictions come from; the audit takes those of train."""
    predictions = averaged(OUT_OF_FOLD.read(out_of_fold / "predictions.parquet"), run.outcome)
    visits = run.cohort.visits
    visits = visits[visits[VISIT_ID].isin(predictions[VISIT_ID])]
    feature_VF = open_features(features).means(visits[VISIT_ID].tolist())
    return out_of_fold_rankings(visits, predictions, feature_VF, run.cohort.outcome)


def _self_influence(run: TrainedRun, formula: Formula) -> pd.DataFrame:
    """Rows (visit_id, photo_id, other_photo_id, self_influence) of every training visit's N x N matrix, or its diagonal."""
    visits = {visit_id: list(bags_of_photos([bag])) for visit_id, bag in run.inputs.training_bags.items()}
    matrices = self_influence(
        TrainedNetwork(run.kept_network(), run.trajectory),
        visits,
        run.inputs.pixels,
        formula,
        progress("  self-influence").advance,
    )
    parts = []
    for visit_id, matrix_NN in matrices.items():
        photo_ids = [photo.photo_ids[0] for photo in visits[visit_id]]
        first, second = np.indices(matrix_NN.shape) if matrix_NN.ndim == 2 else [np.arange(len(photo_ids))] * 2
        names = np.array(photo_ids, dtype=object)
        parts.append(
            pd.DataFrame(
                {
                    VISIT_ID: visit_id,
                    PHOTO_ID: names[first.ravel()],
                    OTHER_PHOTO_ID: names[second.ravel()],
                    SELF_INFLUENCE: matrix_NN.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
