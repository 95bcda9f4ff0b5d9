"""The batch plan: which visits are drawn in which step, fixed before training from (seed, epoch, visit ids)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from grasp_psonet.chance import generator
from grasp_psonet.tables.columns import DRAW, EPOCH, STEP, VISIT_ID


def batch_plan(
    strata: Mapping[str, int | float], epochs: int, visits_per_step: int, sampling: str, seed: int
) -> pd.DataFrame:
    """One row per draw: step (from 1), epoch (from 1), draw (from 0 in its epoch), visit_id.

    An epoch has as many draws as there are visits; its last step may hold fewer. ``class_weighted`` draws with
    replacement and gives every stratum the same share (the paper's weighted sampling, section 3.2, read as class per
    visit), ``uniform`` draws with replacement, ``shuffled`` takes each visit once. The order of ``strata`` (of each visit the
    number of its own, of an ordinal scale its class) does not matter.
    """
    visit_ids = np.array(sorted(strata))
    stratum_V = np.array([strata[visit_id] for visit_id in visit_ids])
    num_visits = len(visit_ids)
    steps_per_epoch = -(-num_visits // visits_per_step)
    _, place_V, num_visits_of = np.unique(stratum_V, return_inverse=True, return_counts=True)
    weight = 1.0 / num_visits_of[place_V] if sampling == "class_weighted" else np.ones(num_visits)
    parts = []
    for epoch in range(1, epochs + 1):
        rng = generator("batch plan", seed, epoch)
        if sampling == "shuffled":
            drawn = rng.permutation(num_visits)
        else:
            drawn = rng.choice(num_visits, size=num_visits, replace=True, p=weight / weight.sum())
        draw = np.arange(num_visits)
        step = (epoch - 1) * steps_per_epoch + draw // visits_per_step + 1
        parts.append(pd.DataFrame({STEP: step, EPOCH: epoch, DRAW: draw, VISIT_ID: visit_ids[drawn]}))
    return pd.concat(parts, ignore_index=True)
