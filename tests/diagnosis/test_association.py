"""How a trait goes with a class, against plain loops; and that its interval covers."""

import numpy as np
import pytest

from grasp_psonet.diagnosis.association import association
from grasp_psonet.diagnosis.findings import corrected_among
from grasp_psonet.diagnosis.permutation import Photos
from tests.diagnosis.photos import drawn_photos
from tests.reference import shared_traits


def _excess(has, is_class, view) -> float:
    """Share of the class less that of other classes with as many of each view, photo by photo; views of the class alone are
    left out."""
    own = [
        p
        for p in range(len(has))
        if is_class[p] and any(view[o] == view[p] and not is_class[o] for o in range(len(has)))
    ]
    other = shared_traits.expected_share(has, [p in set(own) for p in range(len(has))], view)
    return sum(bool(has[p]) for p in own) / len(own) - other


@pytest.mark.parametrize("seed", range(4))
def test_differences_are_those_of_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    photos = drawn_photos(rng, num_patients=24, num_views=4)
    is_train_P = photos.patient_P < 16
    is_class_P = photos.class_P == 2
    view_P = np.where(is_class_P & (rng.random(len(is_class_P)) < 0.2), 9, photos.view_P)  # a view of this class alone
    photos = Photos(photos.is_flagged_P, photos.class_P, view_P, photos.visit_P, photos.patient_P)
    has_P = rng.random(len(is_class_P)) < np.where(is_class_P & is_train_P, 0.6, 0.2)
    wanted = [_excess(has_P[rows], is_class_P[rows], view_P[rows]) for rows in (is_train_P, ~is_train_P)]
    found = association(has_P, is_class_P, photos, is_train_P, seed)
    assert found is not None
    assert found.in_training.value == pytest.approx(wanted[0], abs=1e-12)
    assert found.beyond_validation.value == pytest.approx(wanted[0] - wanted[1], abs=1e-12)
    assert wanted[0] > 0.1
    assert wanted[0] != pytest.approx(wanted[1], abs=0.01)


def test_intervals_cover_where_visits_of_a_patient_are_alike() -> None:
    """Half of the patients of the class have the trait in most photos, a quarter of the others: a true difference of .2."""
    covered = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        patient_P = np.repeat(np.arange(120), 6)
        class_A, is_carrier_A = np.arange(120) % 2, rng.random(120) < np.where(np.arange(120) % 2, 0.5, 0.25)
        has_P = rng.random(720) < np.where(is_carrier_A, 0.8, 0.0)[patient_P]
        photos = Photos(has_P, class_A[patient_P], np.zeros(720, int), patient_P, patient_P)
        found = association(has_P, class_A[patient_P] == 1, photos, patient_P < 80, seed)
        assert found is not None
        assert found.in_training.low is not None
        assert found.in_training.high is not None
        covered.append(found.in_training.low <= 0.2 <= found.in_training.high)
    assert 0.87 < np.mean(covered) <= 1


def test_without_patients_or_another_class_nothing_is_certain() -> None:
    rng = np.random.default_rng(0)
    photos = drawn_photos(rng, num_patients=40)
    is_class_P, has_P = photos.class_P == 2, photos.class_P == 2
    few = association(has_P, is_class_P, photos, photos.patient_P > 3, 0)
    assert few is not None
    assert few.in_training.is_at_least(0.9)
    assert (few.beyond_validation.low, few.beyond_validation.is_at_least(-1)) == (None, False)
    everything = np.ones_like(is_class_P)
    assert association(has_P, everything, photos, photos.patient_P > 20, 0) is None
    assert association(has_P, is_class_P, photos, everything, 0) is None


def test_p_values_are_corrected_among_traits_that_could_teach_a_class() -> None:
    p = [0.01, 0.02, 0.9, 0.5]
    assert corrected_among(p, [True, False, False, True]) == pytest.approx([0.02, 0.04, 0.9, 0.5])
    assert corrected_among(p, [False] * 4) == pytest.approx(shared_traits.corrected(p))
    assert corrected_among(p, [True] * 4) == pytest.approx(shared_traits.corrected(p))
