"""Folds of whole patients: no patient's visits are both learned from and predicted. Axes: V visits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.chance import generator
from grasp_psonet.errors import EvidenceError

Ints = NDArray[np.int64]


def patient_folds(patient_ids: Sequence[str], label_V: Ints, num_folds: int, *key: str | int) -> Ints:
    """Fold of each visit [V], 0 to ``num_folds`` - 1; all visits of a patient are in one, and classes are spread.

    Patients come in a random order of the key, those with most visits first; each goes to the fold that has fewest visits
    of the patient's classes, then fewest visits, then the lowest number. The order of the visits does not matter.
    Raises EvidenceError for fewer patients than folds.
    """
    names, patient_V = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    if len(names) < num_folds:
        raise EvidenceError(
            f"{len(names)} patients cannot be dealt to {num_folds} folds\n  next: lower out_of_fold.folds"
        )
    classes = np.unique(label_V)
    count_PC = np.stack([np.bincount(patient_V[label_V == c], minlength=len(names)) for c in classes], axis=1)
    shuffled = generator("patient folds", num_folds, *key).permutation(len(names))
    fold_P = np.zeros(len(names), np.int64)
    filled_FC = np.zeros((num_folds, len(classes)))
    for patient in shuffled[np.argsort(-count_PC[shuffled].sum(axis=1), kind="stable")]:
        of_same_class_F = filled_FC @ count_PC[patient]
        fold = int(np.lexsort((filled_FC.sum(axis=1), of_same_class_F))[0])
        fold_P[patient] = fold
        filled_FC[fold] += count_PC[patient]
    return fold_P[patient_V]
