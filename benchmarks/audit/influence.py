"""A candidate that is no setting: influence out of fold. A held-out visit's loss is traced back to the visits learned from.

The model of a fold is the probe's: multinomial logistic regression on the mean features, with a penalty on the squared weights.
Its influence functions are exact to first order (Koh and Liang 2017): what leaving visit i out does to the loss of the
held-out visit v is g_v H^-1 g_i. Score: the harmful part of all influence on v, 0 to 1; high where what was learned
contradicts the label.

Axes: V visits, K principal axes, C classes; L learned, H held out.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.out_of_fold.folds import patient_folds
from grasp_psonet.out_of_fold.predict import ProbeInputs
from grasp_psonet.out_of_fold.probe import Probe, fit_probe

Floats = NDArray[np.float64]
COLUMN = "influence_out_of_fold"
_FOLDS = 5


def influence_out_of_fold(inputs: ProbeInputs, seed: int) -> pd.DataFrame:
    """visit_id and the score of every visit."""
    fold_V = patient_folds(inputs.patient_ids, inputs.strata, _FOLDS, seed, 0)
    score_V = np.zeros(len(fold_V))
    for fold in range(_FOLDS):
        learned, held_out = inputs.rows(fold_V != fold), inputs.rows(fold_V == fold)
        probe = fit_probe(learned.feature_VF, learned.strata, inputs.outcome.num_outputs, learned.patient_ids, seed)
        harm_HL = harm_of_learned(probe, learned, held_out)
        score_V[fold_V == fold] = np.maximum(harm_HL, 0).sum(axis=1) / np.abs(harm_HL).sum(axis=1)
    return pd.DataFrame({"visit_id": inputs.visits["visit_id"].to_numpy(), COLUMN: score_V})


def harm_of_learned(probe: Probe, learned: ProbeInputs, held_out: ProbeInputs) -> Floats:
    """How much training on each learned visit raised the loss of each held-out one [H, L], to first order."""
    (x_LK, p_LC), (x_HK, p_HC) = ((probe.axes(one.feature_VF), probe(one.feature_VF)) for one in (learned, held_out))
    x_LK, x_HK = (np.column_stack([x_VK, np.ones(len(x_VK))]) for x_VK in (x_LK, x_HK))
    wrong_LC, wrong_HC = (p_VC - np.eye(p_VC.shape[1])[one.strata] for p_VC, one in ((p_LC, learned), (p_HC, held_out)))
    num_axes, num_classes = x_LK.shape[1], p_LC.shape[1]
    spread_LCC = np.einsum("lc,cd->lcd", p_LC, np.eye(num_classes)) - np.einsum("lc,ld->lcd", p_LC, p_LC)
    hessian = np.einsum("lcd,lj,lk->cjdk", spread_LCC, x_LK, x_LK, optimize=True)
    size = num_axes * num_classes
    penalty = np.tile(np.append(np.full(num_axes - 1, max(probe.penalty, 1e-6)), 1e-3), num_classes)
    gradient_LW, gradient_HW = (
        np.einsum("vc,vk->vck", wrong, x).reshape(len(x), size) for wrong, x in ((wrong_LC, x_LK), (wrong_HC, x_HK))
    )
    solved_WL = np.linalg.solve(hessian.reshape(size, size) + np.diag(penalty), gradient_LW.T)
    harm_HL: Floats = -gradient_HW @ solved_WL
    return harm_HL
