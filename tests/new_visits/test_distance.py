"""Distances from the training photos against plain loops, and what is called far."""

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.features import distance
from grasp_psonet.features.distance import TrainingCloud, share_nearer, whitening


def _cloud(num_patients: int = 12, seed: int = 0) -> TrainingCloud:
    rng = np.random.default_rng(seed)
    visits, patients, vectors = [], [], []
    for patient in range(num_patients):
        for visit in range(1 + patient % 2):
            for _ in range(1 + (patient + visit) % 4):
                visits.append(f"v{patient}-{visit}")
                patients.append(f"p{patient}")
                vectors.append(rng.normal(size=7) + 0.2 * patient)
    return TrainingCloud(np.array(vectors, np.float32), np.array(visits, object), np.array(patients, object))


def _slow(cloud: TrainingCloud, vector: np.ndarray, patient: str | None) -> float:
    """The mean of the plain distances to the nearest photos of other patients."""
    found = []
    for other, of in zip(cloud.feature_TF, cloud.patient_T, strict=True):
        if of != patient:
            found.append(sum((float(a) - float(b)) ** 2 for a, b in zip(vector, other, strict=True)) ** 0.5)
    nearest = sorted(found)[: cloud.num_neighbours]
    return sum(nearest) / len(nearest)


def test_distances_equal_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distance, "_AT_ONCE", 4)
    cloud = _cloud()
    new = np.random.default_rng(1).normal(size=(9, 7)).astype(np.float32)
    np.testing.assert_allclose(cloud.distances(new), [_slow(cloud, vector, None) for vector in new], rtol=1e-6)
    own = [_slow(cloud, v, p) for v, p in zip(cloud.feature_TF, cloud.patient_T, strict=True)]
    np.testing.assert_allclose(cloud.usual_photos, sorted(own), rtol=1e-6)
    of_visit = pd.Series(own).groupby(cloud.visit_T).median()
    np.testing.assert_allclose(cloud.usual_visits, sorted(of_visit), rtol=1e-6)
    assert min(own) > 0.1


def test_own_photos_do_not_make_a_training_photo_near() -> None:
    cloud = _cloud()
    twice = TrainingCloud(
        np.repeat(cloud.feature_TF, 2, axis=0), np.repeat(cloud.visit_T, 2), np.repeat(cloud.patient_T, 2)
    )
    assert twice.usual_photos.min() > 0.1, "a copy of the same patient's photo was taken for a neighbour"
    assert twice.distances(cloud.feature_TF).min() < twice.usual_photos.min()


def test_what_is_usual_is_told_from_whole_visits_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distance, "MOST_COMPARED", 10)
    first, again, other = (_drawn(seed) for seed in (0, 0, 1))
    assert len(first) <= 10
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def _drawn(seed: int) -> np.ndarray:
    cloud = _cloud()
    return TrainingCloud(cloud.feature_TF, cloud.visit_T, cloud.patient_T, seed).usual_photos


def test_two_patients_are_enough() -> None:
    vectors = np.array([[0.0], [1.0], [3.0]], np.float32)
    cloud = TrainingCloud(vectors, np.array(["a", "a", "b"], object), np.array(["p", "p", "q"], object))
    assert cloud.num_neighbours == 1
    np.testing.assert_allclose(cloud.usual_photos, [2.0, 2.0, 3.0])
    np.testing.assert_allclose(cloud.distances(np.array([[5.0]], np.float32)), [2.0])


def test_the_share_that_is_nearer() -> None:
    assert share_nearer([0.5, 1.0, 3.5, 9.0], np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [0.0, 0.0, 0.75, 1.0]


def test_a_new_visit_of_the_same_kind_is_called_far_about_one_time_in_a_hundred() -> None:
    rng = np.random.default_rng(3)
    names = np.array([f"n{i}" for i in range(400)], object)
    cloud = TrainingCloud(rng.normal(size=(400, 5)).astype(np.float32), names, names)
    near = share_nearer(cloud.distances(rng.normal(size=(4000, 5)).astype(np.float32)), cloud.usual_photos)
    assert 0.003 < float((near >= distance.FAR).mean()) < 0.025
    far = share_nearer(cloud.distances((rng.normal(size=(50, 5)) + 6).astype(np.float32)), cloud.usual_photos)
    assert (far >= distance.FAR).all()


def test_whitened_distances_are_mahalanobis_distances() -> None:
    rng = np.random.default_rng(4)
    trained = (rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) + 3).astype(np.float32)
    whiten = whitening(trained)
    assert whiten is not None
    inverse = np.linalg.inv(np.cov(trained.T, bias=True))
    for first, second in zip(trained[:20], trained[20:40], strict=True):
        step = (first - second).astype(np.float64)
        wanted = float(np.sqrt(step @ inverse @ step))
        found = float(np.linalg.norm(whiten(first[None]) - whiten(second[None])))
        assert found == pytest.approx(wanted, rel=1e-4)


def test_axes_that_hardly_vary_and_photos_that_are_all_alike() -> None:
    trained = np.zeros((30, 4), np.float32)
    assert whitening(trained) is None
    trained[:, 1] = np.arange(30)
    found = whitening(trained)
    assert found is not None
    assert found.axis_FK.shape == (4, 1)
    assert np.isfinite(found(np.full((2, 4), 9, np.float32))).all()


def test_few_photos_tell_few_axes() -> None:
    rng = np.random.default_rng(5)
    for count, axes in ((8, 7), (90, 10), (300, 30), (2000, 64)):
        found = whitening(rng.normal(size=(count, 100)).astype(np.float32))
        assert found is not None
        assert found.axis_FK.shape[1] == axes
