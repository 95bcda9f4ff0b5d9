"""What ``make bench-evidence`` counts as named, as a false alarm and as a right diagnosis."""

from pathlib import Path

import pytest

from benchmarks.evidence.cohorts import HELD_OUT, SIMULATED_ON, TUNED_ON, PlantedCohort, job_of
from benchmarks.evidence.enrichment import Known, flags_on_the_fault, flags_on_visits, row_of, summary
from grasp_psonet.settings import parse
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study
from tests.diagnosis.cohort import drawn_study


def _known(seed: int) -> tuple[Known, list[str]]:
    described, flagged = drawn_study(seed)
    is_green_P = described.measures["cast_red_green"] < 7
    job = Job(Study(Path("nowhere")), parse({"diagnose": {"permutations": 60, "clusters": 4}}, "the test"))
    return Known(job, described, is_green_P), flagged


def test_the_planted_fault_is_named_and_another_is_not() -> None:
    known, flagged = _known(0)
    assert row_of(known, PlantedCohort("shortcut", 0, "colour_cast"), flagged)["is_named"]
    assert not row_of(known, PlantedCohort("shortcut", 0, "blur"), flagged)["is_named"]
    assert not row_of(known, PlantedCohort("none", 0), flagged)["is_named"]
    first = known.findings(flagged)
    clusters = [one for one in first if one.trait.kind == "cluster"]
    mostly = [known.is_planted_P[one.trait.has_P & known.described.is_train].mean() > 0.5 for one in clusters]
    assert [known.names_the_cause(one, "background") for one in clusters] == mostly
    assert any(mostly)
    assert not all(mostly)


def test_simulated_flags_hold_the_fault_or_come_in_visits() -> None:
    known, _ = _known(1)
    place = {photo: row for row, photo in enumerate(known.described.photo_ids)}
    for number in range(3):
        for draw, least, most in ((flags_on_the_fault, 0.4, 0.5), (flags_on_visits, -0.1, 0.0)):
            rows = [place[photo] for photo in draw(known, number)]
            assert len(set(rows)) == len(rows) > 20
            assert known.described.is_train[rows].all()
            assert least < known.is_planted_P[rows].mean() <= most
        assert known.described.table["visit_id"].iloc[rows].nunique() <= 10


def test_shares_are_over_the_cohorts_that_they_are_of() -> None:
    rows = [
        {"has_cause": True, "is_named": True, "verdict": "likely"},
        {"has_cause": True, "is_named": False, "verdict": "possible"},
        {"has_cause": False, "is_named": False, "verdict": "possible"},
        *[{"has_cause": False, "is_named": False, "verdict": "none found"}] * 3,
    ]
    told = summary(rows, "enrichment")
    assert (told["enrichment_named_first"], told["enrichment_false_alarms"]) == (0.5, 0.25)
    assert summary([], "enrichment")["enrichment_named_first"] is None


def test_no_seed_chose_anything_and_counts() -> None:
    assert {cohort.seed for cohort in TUNED_ON} <= set(range(300, 310))
    assert min(cohort.seed for cohort in HELD_OUT) >= 310
    names = [cohort.name for cohort in (*TUNED_ON, *HELD_OUT, *SIMULATED_ON)]
    assert len(set(names)) == len(names)
    assert {cohort.kind for cohort in HELD_OUT} == {cohort.kind for cohort in TUNED_ON}


@pytest.mark.parametrize("cohort", HELD_OUT, ids=lambda cohort: cohort.name)
def test_what_is_planted_stands_in_the_settings(cohort: PlantedCohort) -> None:
    settings = job_of(Path("nowhere"), cohort).settings
    assert settings.cohort.shortcut.fault == cohort.fault
    assert (cohort.fault != "none") == (cohort.kind in ("shortcut", "both"))
    assert (settings.cohort.gross_errors > 0.1) == (cohort.kind in ("label noise", "both"))
    assert (settings.cohort.num_visits < 100) == (cohort.kind == "too few data")
