"""A planted tint is the first finding, in words; without one nothing is found; what goes with the class in validation, too, is
no likely spurious pattern."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.diagnosis.association import Association, Excess
from grasp_psonet.diagnosis.described import traits_of
from grasp_psonet.diagnosis.findings import (
    LEAST_PATIENTS,
    LIKELY_CONTRAST,
    LIKELY_EXCESS,
    LIKELY_RATIO,
    POSSIBLE_EXCESS,
    POSSIBLE_IN_TRAINING,
    POSSIBLE_RATIO,
    SIGNIFICANT,
    findings,
    strength_of,
    verdict_of,
)
from grasp_psonet.diagnosis.galleries import gallery
from grasp_psonet.errors import StageError
from tests.diagnosis.cohort import drawn_study

CLASSES = ("mild", "moderate", "severe")
TEST = (60, 0)


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_tint_is_named_first(seed: int) -> None:
    described, flagged = drawn_study(seed)
    found = findings(described, traits_of(described, 6, 0), flagged, CLASSES, TEST)
    first = found[0]
    assert (first.trait.name, first.trait.value, first.strength) == ("cast_red_green", "low", "likely")
    assert verdict_of(found) == "likely"
    assert first.class_name == "severe"
    assert first.in_training is not None
    assert first.in_validation is not None
    assert first.in_training.excess > 0.2 > 0.15 > abs(first.in_validation.excess)
    assert f"Flagged photos are {first.enriched.ratio:.1f} times as often greenish (lowest 10 % of" in first.sentence
    assert f"In training {100 * first.in_training.own:.0f} % of severe photos are so" in first.sentence
    bystanders = [one for one in found if one.trait.name in ("brightness", "contrast", "device", "age")]
    assert len(bystanders) == 8
    assert {one.strength for one in bystanders} == {"none found"}


def test_what_goes_with_the_class_in_validation_too_is_only_possible() -> None:
    described, flagged = drawn_study(1, tinted_in_validation=True)
    found = findings(described, traits_of(described, 0, 0), flagged, CLASSES, TEST)
    assert (found[0].trait.name, found[0].strength) == ("cast_red_green", "possible")
    assert found[0].in_validation.excess > 0.15


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, "likely"),
        ({"num_patients": LEAST_PATIENTS - 1}, "none found"),
        ({"p_corrected": 1.01 * SIGNIFICANT}, "none found"),
        ({"ratio": 0.99 * POSSIBLE_RATIO}, "none found"),
        ({"ratio": 0.99 * LIKELY_RATIO}, "possible"),
        ({"share": 0.2, "expected": 0.21 - POSSIBLE_EXCESS}, "none found"),
        ({"share": 0.3, "expected": 0.31 - LIKELY_EXCESS}, "possible"),
    ],
)
def test_a_pattern_needs_size_certainty_and_patients(changed: dict, wanted: str) -> None:
    described, flagged = drawn_study(0)
    first = findings(described, traits_of(described, 0, 0), flagged, CLASSES, TEST)[0]
    assert strength_of(replace(first, enriched=replace(first.enriched, **changed))) == wanted


@pytest.mark.parametrize(
    ("in_training", "beyond_validation", "wanted"),
    [
        (Excess(0.3, 0.2, 0.4), Excess(0.3, 0.1, 0.5), "likely"),
        (Excess(0.04, 0.01, 0.07), Excess(0.04, -0.02, 0.08), "none found"),  # 13 and 9 %, beside 8 and 8 %
        (Excess(0.3, -0.01, 0.6), Excess(0.3, 0.1, 0.5), "none found"),
        (Excess(0.3, 0.2, 0.4), Excess(0.3, -0.01, 0.6), "possible"),
        (Excess(0.3, 0.2, 0.4), Excess(0.99 * LIKELY_CONTRAST, 0.01, 0.2), "possible"),
        (Excess(0.3, 0.2, 0.4), Excess(0.3, None, None), "possible"),
        (Excess(0.99 * POSSIBLE_IN_TRAINING, 0.01, 0.2), Excess(0.3, 0.1, 0.5), "none found"),
    ],
)
def test_it_must_go_with_the_class_clearly_in_training_and_clearly_less_in_validation(
    in_training: Excess, beyond_validation: Excess, wanted: str
) -> None:
    described, flagged = drawn_study(0)
    first = findings(described, traits_of(described, 0, 0), flagged, CLASSES, TEST)[0]
    changed = replace(first, association=Association(in_training, beyond_validation))
    assert strength_of(changed) == wanted
    assert f"a difference larger by {100 * beyond_validation.value:.0f} points" in changed.sentence


def test_where_no_other_class_compares_a_pattern_is_at_most_possible() -> None:
    described, flagged = drawn_study(0)
    first = findings(described, traits_of(described, 0, 0), flagged, CLASSES, TEST)[0]
    assert strength_of(replace(first, in_training=None, association=None)) == "possible"


def test_random_flags_share_nothing() -> None:
    told = []
    for seed in range(8):
        described, _ = drawn_study(seed)
        training = described.photo_ids[described.is_train]
        flagged = list(np.random.default_rng(seed).permutation(training)[:40])
        told.append(verdict_of(findings(described, traits_of(described, 6, 0), flagged, CLASSES, TEST)))
    assert told.count("none found") >= 7


def test_nothing_flagged_nothing_found() -> None:
    described, _ = drawn_study(0)
    assert findings(described, traits_of(described, 6, 0), [], CLASSES, TEST) == []
    assert verdict_of([]) == "none found"


def test_a_photo_that_is_not_trained_on_cannot_be_flagged() -> None:
    described, _ = drawn_study(0)
    in_validation = described.photo_ids[~described.is_train][0]
    with pytest.raises(StageError, match="1 flagged photos are no training photos"):
        described.flagged([in_validation])


@pytest.mark.parametrize("with_features", [True, False])
def test_a_neighbour_is_the_nearest_of_its_class_and_view_that_is_not_flagged(with_features: bool) -> None:
    described, flagged = drawn_study(2, with_features=with_features)
    trait = next(t for t in traits_of(described, 0, 0) if (t.name, t.value) == ("cast_red_green", "low"))
    table = gallery(described, trait, flagged, 5)
    carriers, neighbours = (table[table["role"] == role] for role in ("carrier", "neighbour"))
    has = dict(zip(described.photo_ids, trait.has_P, strict=True))
    assert carriers["photo_id"].tolist() == [photo for photo in flagged if has[photo]][:5]
    assert neighbours["neighbour_of"].tolist() == carriers["photo_id"].tolist()
    place = {photo: row for row, photo in enumerate(described.photo_ids)}
    known = described.table.set_index("photo_id")

    def apart(one: str, other: str) -> float:
        if with_features:
            a, b = (described.feature_PF[place[photo]] for photo in (one, other))
            return 1 - float(a @ b) / float(np.sqrt(a @ a) * np.sqrt(b @ b))
        told = [(m[place[one]] - m[place[other]]) / m.std() for m in described.measures.values()]
        return float(np.sqrt(sum(part**2 for part in told)))

    for row in neighbours.to_dict("records"):
        carrier = known.loc[row["neighbour_of"]]
        like = known[
            (known["view"] == carrier["view"])
            & (known["stratum"] == carrier["stratum"])
            & (known["split"] == "train")
            & (known["visit_id"] != carrier["visit_id"])
            & ~known.index.isin(flagged)
        ]
        nearest = min(like.index, key=lambda photo: apart(row["neighbour_of"], photo))
        assert row["photo_id"] == nearest
        assert row["distance"] == pytest.approx(apart(row["neighbour_of"], nearest))
        assert row["distance"] > 0


def test_traits_are_tails_within_view_values_and_numbers() -> None:
    described, _ = drawn_study(0)
    traits = {(trait.kind, trait.name, trait.value): trait.has_P for trait in traits_of(described, 0, 0)}
    view = described.table["view"]
    shares = pd.Series(traits["measure", "brightness", "high"]).groupby(view).mean()
    assert shares.between(0.08, 0.12).all(), "a view that is brighter as a whole has no longer tail"
    assert (traits["column", "device", "phone-a"] == (described.table["device"] == "phone-a").to_numpy()).all()
    assert ("measure", "age", "high") in traits, "a column of many numbers is a measure"
    named = {name for _, name, _ in traits}
    assert named.isdisjoint({"photo_id", "patient_id", "path", "split", "severity_reader1", "pasi_reader1", "stratum"})


def test_clusters_are_the_same_again_and_do_not_follow_views() -> None:
    described, _ = drawn_study(0)
    first, again = (traits_of(described, 2, 0)[-2:] for _ in range(2))
    assert [trait.kind for trait in first] == ["cluster", "cluster"]
    assert all((one.has_P == other.has_P).all() for one, other in zip(first, again, strict=True))
    green = next(t for t in traits_of(described, 0, 0) if (t.name, t.value) == ("cast_red_green", "low")).has_P
    inside = [trait.has_P[green].mean() for trait in first]
    assert max(inside) > 0.9, "what differs most within a view makes the clusters"
    told = first[int(np.argmax(inside))].words
    assert "greenish" in told
