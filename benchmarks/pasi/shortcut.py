"""A planted shortcut in points: baseline, oracle, the default pruning and random removal, by mean absolute error.

The background of the photos goes with severe visits in training alone. The network learns the total. All of it is the product's
own stages in one study folder per seed, under the preset small.
"""

import pandas as pd

from benchmarks.pasi.ground import TOTAL, Ground, Tree
from benchmarks.planted import ORACLE, auc, make_arm, oracle_task, rows_of_arm, train_lists
from grasp_psonet.stage import run_task
from grasp_psonet.stages.declared.tasks import train_task
from grasp_psonet.stages.names import BASELINE, FIRST

ARM = "default"
SHORTCUT: Tree = {
    "fault": "background",
    "train_visits": 1.0,
    "train_photos": 0.5,
    "other_visits": 0.5,
    "other_photos": 0.6,
}
_FEW_FOLDS: Tree = {"out_of_fold": {"folds": 2, "repeats": 1}}


def prunings(ground: Ground) -> pd.DataFrame:
    """Rows as of ``rows_of_arm``: validation and test MAE of baseline, oracle, every list of the default pruning and its random
    control, with what was removed."""
    ground.make(TOTAL)
    job = ground.job(TOTAL, _FEW_FOLDS)
    run_task(train_task(job, FIRST))
    run_task(oracle_task(job))
    train_lists(job, [ORACLE])
    rows = [
        {"arm": run, "k": 0, "control": "", "val": auc(job, run, "val"), "test": auc(job, run, "test")}
        for run in (BASELINE, ORACLE)
    ]
    make_arm(job)
    return pd.DataFrame([*rows, *rows_of_arm(job, ARM)]).assign(seed=ground.seed)
