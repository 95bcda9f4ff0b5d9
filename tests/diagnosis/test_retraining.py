"""What retrainings say of a finding: harm whatever is removed holds "likely" back, a clear gain lifts "possible"."""

from dataclasses import replace

import pytest

from grasp_psonet.diagnosis.association import Association, Excess
from grasp_psonet.diagnosis.described import traits_of
from grasp_psonet.diagnosis.findings import Finding, findings
from grasp_psonet.diagnosis.retraining import HARM, HELP, Removal, Retraining, weighed
from tests.diagnosis.cohort import drawn_study

HARMFUL = Removal(-0.06, 0.03)
HELPFUL = Removal(0.1, 0.03)
NOISY = Removal(-0.01, 0.03)


@pytest.fixture(scope="module")
def planted() -> list[Finding]:
    described, flagged = drawn_study(0)
    return findings(described, traits_of(described, 0, 0), flagged, ("mild", "moderate", "severe"), (60, 0))


@pytest.mark.parametrize(
    ("removals", "wanted"),
    [
        ((), "likely"),
        ((HARMFUL,), "possible"),
        ((HARMFUL, HARMFUL), "possible"),
        ((HARMFUL, NOISY), "likely"),
        ((HARMFUL, HELPFUL), "likely"),
        ((Removal(-0.99 * HARM * 0.03, 0.03),), "likely"),
        ((Removal(-0.06, None),), "likely"),
        ((Removal(None, None),), "likely"),
    ],
)
def test_harm_whatever_is_removed_holds_a_likely_pattern_back(
    planted: list[Finding], removals: tuple[Removal, ...], wanted: str
) -> None:
    assert planted[0].strength == "likely"
    told = weighed(planted, Retraining("AUC", removals))
    assert told[0].strength == wanted
    assert [one.trait.name for one in told] == [one.trait.name for one in planted]


def test_a_clear_gain_lifts_what_goes_with_its_class_in_training_alone(planted: list[Finding]) -> None:
    possible = [replace(one, strength="possible") for one in planted[:2]]
    in_both = Association(Excess(0.3, 0.2, 0.4), Excess(0.05, -0.05, 0.15))
    beside = replace(possible[1], association=in_both)
    told = weighed([beside, possible[0]], Retraining("AUC", (HARMFUL, HELPFUL)))
    assert [one.strength for one in told] == ["likely", "possible"]
    assert told[0].trait.name == planted[0].trait.name, "likely ones first"
    nearly = Retraining("AUC", (Removal(0.99 * HELP * 0.03, 0.03),))
    assert weighed(possible, nearly) == possible
    nothing = [replace(one, strength="none found") for one in planted[:1]]
    assert weighed(nothing, Retraining("AUC", (HELPFUL,))) == nothing, "a gain alone names no pattern"


@pytest.mark.parametrize(
    ("removals", "wanted"),
    [
        ((), "nothing was removed"),
        ((Removal(None, None),), "validation AUC is not estimable"),
        (
            (HARMFUL, Removal(-0.2, 0.03)),
            "photos of any of 2 keep lists validation AUC gains -0.20 to -0.06: worse",
        ),
        ((HELPFUL,), "photos of the only keep list validation AUC gains +0.10: clearly better"),
        ((NOISY,), "gains -0.01, which speaks neither for a spurious pattern nor against it"),
    ],
)
def test_the_evidence_is_told_in_words(removals: tuple[Removal, ...], wanted: str) -> None:
    assert wanted in Retraining("AUC", removals).sentence
