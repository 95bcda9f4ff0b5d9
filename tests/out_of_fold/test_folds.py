"""Folds keep patients whole, whatever the cohort; order and repetition change what they should and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grasp_psonet.errors import EvidenceError
from grasp_psonet.out_of_fold.folds import patient_folds

cohorts = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2)), min_size=1, max_size=60).map(
    lambda rows: ([f"p{patient}" for patient, _ in rows], np.array([label for _, label in rows]))
)


@given(cohorts, st.integers(2, 5), st.integers(0, 3))
def test_no_patient_is_on_both_sides(cohort: tuple[list[str], np.ndarray], num_folds: int, seed: int) -> None:
    patient_ids, label_V = cohort
    if len(set(patient_ids)) < num_folds:
        with pytest.raises(EvidenceError, match=f"cannot be dealt to {num_folds} folds"):
            patient_folds(patient_ids, label_V, num_folds, seed)
        return
    fold_V = patient_folds(patient_ids, label_V, num_folds, seed)
    assert set(fold_V) == set(range(num_folds)), "every fold holds a visit"
    for fold in range(num_folds):
        learned = {patient for patient, f in zip(patient_ids, fold_V, strict=True) if f != fold}
        asked = {patient for patient, f in zip(patient_ids, fold_V, strict=True) if f == fold}
        assert not learned & asked
    order = np.random.default_rng(seed).permutation(len(patient_ids))
    again_V = patient_folds([patient_ids[v] for v in order], label_V[order], num_folds, seed)
    assert (again_V == fold_V[order]).all()


def test_classes_and_visits_are_spread_and_each_repeat_deals_anew() -> None:
    patient_ids = [f"p{v // 3}" for v in range(120)]
    label_V = np.repeat([0, 1, 2, 2], 30)
    first, second = (patient_folds(patient_ids, label_V, 5, 0, repeat) for repeat in (0, 1))
    assert (first != second).any()
    for fold_V in (first, second):
        assert np.bincount(fold_V).max() - np.bincount(fold_V).min() <= 3
        for label in range(3):
            counts = np.bincount(fold_V[label_V == label], minlength=5)
            assert counts.max() - counts.min() <= 3
