"""Shares, ratios, odds and p-values of traits among flagged photos, against plain loops; and that clusters fool nobody."""

import numpy as np
import pytest

from grasp_psonet.diagnosis.enrichment import (
    benjamini_hochberg,
    comparable,
    enrichment,
    expected_mean,
    mantel_haenszel,
    permutation_test,
    standardised_difference,
)
from grasp_psonet.diagnosis.permutation import NOWHERE, Photos, permuted_flags
from grasp_psonet.errors import EvidenceError
from tests.diagnosis.photos import drawn_photos, trait
from tests.reference import shared_traits


@pytest.mark.parametrize("seed", range(6))
def test_effect_sizes_are_those_of_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    photos = drawn_photos(rng)
    photos = photos.rows(comparable(photos.is_flagged_P, photos.stratum))
    flagged, strata = photos.is_flagged_P, photos.stratum
    has = rng.random(len(flagged)) < 0.2 + 0.4 * flagged
    measure = rng.normal(size=len(flagged)) + flagged + strata
    wanted = shared_traits.expected_share(has, flagged, strata)
    assert 0 < wanted < 1
    assert expected_mean(has.astype(float), flagged, strata) == pytest.approx(wanted, abs=1e-12)
    odds = shared_traits.odds_ratio(has, flagged, strata)
    assert odds is not None
    assert odds > 1
    assert mantel_haenszel(has, photos) == pytest.approx(odds, rel=1e-12)
    apart = shared_traits.difference(measure, flagged, strata)
    assert apart > 0.3
    assert standardised_difference(measure, photos) == pytest.approx(apart, rel=1e-9)
    found = enrichment([trait(has, measure_P=measure)], photos, 199, seed)[0]
    count = int((has & flagged).sum())
    assert (found.num_flagged, found.num_patients) == (count, len(set(photos.patient_P[has & flagged])))
    assert found.share == pytest.approx(count / flagged.sum())
    assert found.ratio == pytest.approx((count + 0.5) / (wanted * flagged.sum() + 0.5))
    assert (found.odds_ratio, found.difference) == (pytest.approx(odds), pytest.approx(apart))


def test_corrected_p_values_are_those_of_the_definition() -> None:
    p_T = np.array([0.01, 0.2, 0.01, 0.04, 0.9, 0.03])
    assert benjamini_hochberg(p_T) == pytest.approx(shared_traits.corrected(p_T.tolist()))
    assert benjamini_hochberg(np.array([0.5])) == pytest.approx([0.5])


@pytest.mark.parametrize("seed", range(4))
def test_p_is_that_of_all_dealings(seed: int) -> None:
    """Seven patients of one visit each in two classes: 4! x 3! dealings, one view missing in one visit."""
    rng = np.random.default_rng(seed)
    pairs = [(visit, view) for visit in range(7) for view in range(2) if (visit, view) != (2, 1)]
    visit, view = (np.array(part) for part in zip(*pairs, strict=True))
    class_of = {one: int(one > 3) for one in range(7)}
    flagged = np.isin(visit, [0, 5]) & ((view == 0) | (visit == 5))
    has = (rng.random(len(visit)) < 0.4) | flagged
    photos = Photos(flagged, np.array([class_of[one] for one in visit]), view, visit, visit)
    wanted = shared_traits.exact_p(has, visit, view, class_of, flagged)
    assert 0 < wanted < 1
    _, p_T = permutation_test(has[:, None].astype(float), photos, 20_000, seed)
    assert p_T[0] == pytest.approx(wanted, abs=0.012)


def test_flags_move_within_their_class_and_view_and_stay_together() -> None:
    photos = drawn_photos(np.random.default_rng(3), num_patients=30)
    own = np.flatnonzero(photos.is_flagged_P)
    moved = 0
    for chosen_RK in permuted_flags(photos, 150, 0):
        for chosen_K in chosen_RK:
            there = chosen_K != NOWHERE
            assert (photos.stratum[chosen_K[there]] == photos.stratum[own[there]]).all()
            assert len(set(chosen_K[there])) == there.sum(), "no photo takes two flags"
            visits = {}
            for source, target in zip(photos.visit_P[own[there]], photos.visit_P[chosen_K[there]], strict=True):
                assert visits.setdefault(source, target) == target, "the flags of a visit move to one visit"
            moved += sum(source != target for source, target in visits.items())
    assert moved > 1000


def test_visits_of_a_patient_move_together() -> None:
    """Six patients of two visits in one class: the flags of a patient's two visits come to the two visits of another."""
    visit = np.repeat(np.arange(12), 2)
    photos = Photos(np.isin(visit, [0, 1]), np.zeros(24, dtype=int), np.tile([0, 1], 12), visit, visit // 2)
    seen = set()
    for chosen_RK in permuted_flags(photos, 200, 1):
        for chosen_K in chosen_RK:
            patients = set(photos.patient_P[chosen_K])
            assert len(patients) == 1
            seen |= patients
    assert seen == set(range(6))


def test_a_trait_of_patients_is_not_taken_for_one_of_photos() -> None:
    """Flags that come patient by patient and a device that goes with the patient have nothing to do with each other: p-values
    are small about as often as they say, where photos dealt one by one would give small ones in a third of the cohorts."""
    ours, photo_by_photo = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        visit = np.repeat(np.arange(40), 6)
        patient = visit // 2
        flagged = (rng.random(20) < 0.2)[patient] & (rng.random(240) < 0.8)
        has = (rng.random(20) < 0.4)[patient]
        if not flagged.any() or has.all() or not has.any():
            continue
        photos = Photos(flagged, np.zeros(240, dtype=int), np.tile(np.arange(6), 40), visit, patient)
        ours.append(permutation_test(has[:, None].astype(float), photos, 199, seed)[1][0])
        alone = Photos(flagged, photos.class_P, photos.class_P, np.arange(240), np.arange(240))
        photo_by_photo.append(permutation_test(has[:, None].astype(float), alone, 199, seed)[1][0])
    assert len(ours) > 120
    assert np.mean(np.array(ours) <= 0.05) < 0.11
    assert np.mean(np.array(photo_by_photo) <= 0.05) > 0.2


def test_a_planted_trait_is_found_and_a_bystander_is_not() -> None:
    rng = np.random.default_rng(0)
    photos = drawn_photos(rng, num_patients=40, num_views=6, rate=0.1)
    planted = photos.is_flagged_P & (rng.random(len(photos.visit_P)) < 0.6) | (rng.random(len(photos.visit_P)) < 0.08)
    bystander = rng.random(len(photos.visit_P)) < 0.3
    first, second = enrichment([trait(planted), trait(bystander)], photos, 999, 0)
    assert first.p_corrected < 0.01 < 0.1 < second.p_corrected
    assert first.ratio > 3
    assert first.z > 5


def test_a_stratum_of_flagged_photos_alone_compares_with_nothing() -> None:
    photos = Photos(
        np.array([True, True, False]), *(np.array(one) for one in ([0, 1, 1], [0, 0, 0], [0, 1, 2], [0, 1, 2]))
    )
    found = enrichment([trait(np.array([True, False, False]))], photos, 199, 0)
    assert [(one.num_flagged, one.share) for one in found] == [(0, 0.0)]
    assert enrichment([trait(np.array([True, False, False]))], photos.rows(np.array([0])), 199, 0) == []
    assert enrichment([], photos, 199, 0) == []


def test_codes_that_contradict_each_other_are_refused() -> None:
    two = np.array([0, 0])
    with pytest.raises(EvidenceError, match="different lengths"):
        Photos(np.array([True]), two, two, two, two)
    with pytest.raises(EvidenceError, match="more than one patient"):
        Photos(two > 0, two, two, two, np.array([0, 1]))
