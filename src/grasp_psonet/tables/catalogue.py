"""All tables in the order in which a study makes them."""

from grasp_psonet.tables.schemas import (
    audit,
    diagnosis,
    evaluation,
    explain,
    out_of_fold,
    quality,
    revisions,
    runs,
    store,
    study,
    traces,
    truth,
)
from grasp_psonet.tables.table import Table

TABLES: tuple[Table, ...] = (
    *(study.VISITS, study.READINGS, study.PHOTOS, study.FEATURES, study.VIEWS, study.CHECK),
    *(truth.TRUTH, truth.TRUTH_VISITS),
    *(store.STORE_INDEX, store.SKIPPED, store.FEATURE_INDEX),
    *(quality.PHOTO_QUALITY, quality.NEAR_PAIRS, quality.QUALITY_BY_SKIN_TYPE),
    *(out_of_fold.OUT_OF_FOLD, out_of_fold.PROBE_PREDICTIONS, out_of_fold.LEARNING),
    *(runs.PLAN, runs.STEPS, runs.EPOCHS, runs.PREDICTIONS, runs.PHOTO_ATTENTION),
    *(traces.QUERIES, traces.SCORES, traces.PAIRS, traces.PHOTO_LOSSES, traces.KEEP_LIST, traces.NAMED_PHOTOS),
    *(
        evaluation.FIGURES,
        evaluation.DIFFERENCES,
        evaluation.AGAINST_RANDOM,
        evaluation.PAIRS,
        evaluation.CONFUSIONS,
        evaluation.AGREEMENT,
        evaluation.BESIDE_READERS,
        evaluation.PARTS,
        evaluation.RESPONSE,
        evaluation.READER_AGREEMENT,
        evaluation.REMOVAL,
    ),
    *(audit.PAPER_AUDIT_VISITS, audit.AUDIT_VISITS, audit.REVIEW, audit.SELF_INFLUENCES),
    *(audit.AUDIT_CURVE, audit.AUDIT_SUMMARY, audit.AUDIT_DIFFERENCES),
    *(revisions.REVISED_LABELS, revisions.REVISED_PHOTOS, revisions.REVISED_READINGS),
    *(revisions.REVISION_FIGURES, revisions.REVISION_DIFFERENCES),
    *(explain.MAPS, explain.FAITHFULNESS, explain.MAP_FIGURES),
    *(diagnosis.FLAGGED, diagnosis.FINDINGS, diagnosis.FINDING_PHOTOS),
    *(runs.NEW_VISITS, runs.NEW_PHOTOS, traces.TRACE_RESULT, traces.CHANGES),
)
