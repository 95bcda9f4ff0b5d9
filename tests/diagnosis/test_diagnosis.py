"""What is diagnosed from which evidence, and that the evidence stands beside it in words."""

from dataclasses import replace

import pytest

from grasp_psonet.diagnosis.diagnosis import FEW_VISITS, WRONG_LABELS, Evidence, Figure, diagnose

SOUND = Evidence(
    word="AUC",
    baseline=Figure(0.9, 0.85, 0.94),
    probe=Figure(0.88, 0.82, 0.93),
    prior=Figure(0.5, 0.4, 0.6),
    over_prior=Figure(0.4, 0.25, 0.5),
    over_probe=Figure(0.02, -0.05, 0.08),
    rarest_class=40,
    num_flagged=30,
    num_standing_out=12,
    num_photos=1000,
    verdict="none found",
    first_finding="",
    wrong_labels=0.05,
)
UNLEARNED = {"baseline": Figure(0.52, 0.4, 0.6), "over_prior": Figure(0.02, -0.1, 0.1)}
FEW = {"rarest_class": FEW_VISITS - 1}


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ({}, "none"),
        ({"verdict": "possible"}, "none"),
        ({"verdict": "likely"}, "shortcut"),
        ({"wrong_labels": WRONG_LABELS}, "label noise"),
        ({"wrong_labels": WRONG_LABELS, "verdict": "likely"}, "both"),
        ({"wrong_labels": None}, "none"),
        (UNLEARNED, "not learned"),
        (UNLEARNED | {"verdict": "likely"}, "shortcut"),
        (UNLEARNED | {"verdict": "possible", "wrong_labels": 0.9}, "not learned"),
        (UNLEARNED | FEW, "too few data"),
        (FEW, "too few data"),
        (FEW | {"wrong_labels": 0.9}, "too few data"),
        (FEW | {"verdict": "likely"}, "shortcut"),
        ({"over_probe": Figure(-0.1, -0.2, -0.01)}, "not learned"),
        ({"over_probe": Figure(-0.1, -0.2, -0.01), "verdict": "likely"}, "shortcut"),
        ({"over_prior": Figure(0.4, None, None)}, "too few data"),
    ],
)
def test_a_diagnosis_follows_its_evidence(seen: dict, wanted: str) -> None:
    assert diagnose(replace(SOUND, **seen)).diagnosis == wanted


def test_the_evidence_is_told() -> None:
    told = diagnose(replace(SOUND, verdict="likely", first_finding="Flagged photos are 4.2 times as often greenish."))
    assert told.in_words.startswith("a shortcut")
    learning, trace, shared, labels = told.evidence
    assert "validation AUC 0.90 (0.85 to 0.94)" in learning
    assert "12 of 1000 training photos stand out" in trace
    assert shared == "Spurious pattern: likely. Flagged photos are 4.2 times as often greenish."
    assert "5 % of training visits" in labels
    retrained = diagnose(replace(SOUND, retraining="Retraining: nothing was removed, so it says nothing."))
    assert [one.partition(":")[0] for one in retrained.evidence][-2:] == ["Retraining", "Labels"]
    assert "not estimated" in diagnose(replace(SOUND, wrong_labels=None)).evidence[-1]
    assert "not estimable" in diagnose(replace(SOUND, baseline=Figure(None, None, None))).evidence[0]
