"""``grasp learning``: whether the baseline learned what is worth tracing, against class frequencies and the probe."""

import logging
from pathlib import Path

import pandas as pd

from grasp_psonet.evidence.learning import BASELINE, PRIOR, PROBE, learning
from grasp_psonet.files import write_json
from grasp_psonet.stages.declared.needs import LearningNeeds
from grasp_psonet.tables.schemas.out_of_fold import LEARNING, PROBE_PREDICTIONS
from grasp_psonet.tables.schemas.runs import PREDICTIONS

log = logging.getLogger("grasp_psonet")


def make_learning(folder: Path, own: LearningNeeds, run: Path, out_of_fold: Path, visits: pd.DataFrame) -> None:
    """Leaves the check and its verdict in the folder, and says the verdict."""
    predictions = {
        BASELINE: PREDICTIONS.read(run / "predictions.parquet"),
        PROBE: PROBE_PREDICTIONS.read(out_of_fold / "probe.parquet"),
    }
    found = learning(predictions, visits, own.outcome, own.evaluate, own.seed)
    LEARNING.write(found.table(), folder / "figure.parquet")
    write_json(folder / "verdict.json", {"verdict": found.verdict})
    told = {name: "not estimable" if one.value is None else f"{one.value:.3f}" for name, one in found.value.items()}
    log.info(
        "  validation %s: baseline %s, probe %s, %s %s",
        found.figures.chooser.word,
        told[BASELINE],
        told[PROBE],
        found.figures.prior_word,
        told[PRIOR],
    )
    if found.verdict:
        log.warning("  %s", found.verdict)
