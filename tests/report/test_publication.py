"""Texts for publication: every figure in them is a result, what the study does not know is said, no word opens a link."""

import dataclasses
import re

import pytest

from grasp_psonet.report.data import ReportData
from grasp_psonet.report.publication.checklists import GUIDELINES
from grasp_psonet.report.publication.facts import UNKNOWN, plain
from grasp_psonet.report.publication.files import CHECKLISTS, METHODS, cards_of, publication_files
from grasp_psonet.report.results import results
from tests.report.fake import fake_report
from tests.report.test_first_screen import of_mushrooms
from tests.report.test_report import hostile, one_reader


@pytest.fixture(scope="module")
def report() -> ReportData:
    return fake_report()


def files_of(report: ReportData) -> dict[str, str]:
    return publication_files(results(report), report.outcome)


@pytest.fixture(scope="module")
def files(report: ReportData) -> dict[str, str]:
    return files_of(report)


def test_there_are_methods_guidelines_and_two_cards_a_run(report: ReportData, files: dict[str, str]) -> None:
    cards = [name for arm in report.arms for name in cards_of(arm.name)]
    assert sorted(files) == sorted([METHODS, CHECKLISTS, *cards])
    assert len(set(cards)) == 2 * len(report.arms)


def test_the_methods_tell_data_choice_and_figures_of_the_results(files: dict[str, str]) -> None:
    methods = " ".join(files[METHODS].split())
    for words in (
        "454 visits of 185 patients with 5,448 photos",
        "training 220 visits of 90 patients with 2,640 photos",
        "252 visits were read twice, and 40 of them differently; linear kappa on test 0.78 (0.71 to 0.84)",
        "it was cosine-k30, which removes 212 of 2,640 training photos (8.0",
        "The baseline has linear kappa 0.53 (0.44 to 0.60) against Reader 1",
        "The chosen run has linear kappa 0.62 (0.53 to 0.70) against Reader 1, micro AUC 0.86 (0.81 to 0.90) against Reader 1",
        "AUC +0.05 (0.02 to 0.08) against Reader 1",
        "Random removal of the same size has linear kappa 0.52 (0.43 to 0.59)",
        "the first 30",
        "torch 2.11.0",
        "Seeds: training 0, cohort 0.",
    ):
        assert words in methods.replace("\\", ""), words
    assert "drawn by a program" in methods


def test_the_settings_used_stand_in_the_methods(report: ReportData) -> None:
    settings = tuple(
        (name, f"<{name}>") for name in ("network.weights", "train.epochs", "train.optimizer.lr", "evaluate.replicates")
    )
    making = dataclasses.replace(report.making, settings=settings)
    methods = "\n".join(results(dataclasses.replace(report, making=making))["publication"]["methods"])
    for name, value in settings:
        assert value in methods, name


def test_the_model_card_of_a_run_holds_its_figures_and_chance(files: dict[str, str]) -> None:
    card = files["model-card-cosine-k30.md"]
    assert "and the one that was chosen" in card
    assert "| linear kappa (chance 0) | 0.62 (0.53 to 0.70) | 0.58 (0.49 to 0.66) | +0.09 (0.04 to 0.13) |" in card
    assert "(data-card-cosine-k30.md)" in card
    assert "3 of 7 groups have fewer than 30 test visits" in card
    assert "| – | – |" in files["model-card-baseline.md"]
    assert "a control: trained again without as many photos at random" in files["model-card-cosine-k30-random.md"]


def test_the_data_card_says_what_left_and_what_is_wrong(files: dict[str, str]) -> None:
    card = files["data-card-cosine-k30.md"]
    assert "| class | severe | 93 | 750 | 12.4" in card
    assert "Diagnosis: a shortcut" in card
    assert "class severe loses 93 of 750" in card
    assert "0 of 2,640 training photos" in files["data-card-baseline.md"]


def test_what_the_study_does_not_know_is_said(report: ReportData, files: dict[str, str]) -> None:
    guidelines = files[CHECKLISTS]
    assert guidelines.count(UNKNOWN) >= 8
    for one in GUIDELINES:
        assert one.name in guidelines
        numbers = [number for number, _, _ in one.items if number]
        assert len(set(numbers)) == len(numbers)
        assert numbers == sorted(numbers, key=lambda number: int(number.rstrip("abc" + "defg")))
    assert "| – | where the data come from | drawn by a program" in guidelines
    assert (
        f"| – | where the data come from | {UNKNOWN} |"
        in files_of(dataclasses.replace(report, is_synthetic=False))[CHECKLISTS]
    )


def test_it_stands_without_a_choice_a_second_reader_or_an_audit(report: ReportData) -> None:
    bare = dataclasses.replace(
        one_reader(report),
        chosen="baseline",
        audit=None,
        maps=None,
        traced=None,
        diagnosis=None,
        clock=None,
        removal=(),
        truth=None,
    )
    told = files_of(bare)
    assert "none was chosen, and every photo stays" in told[METHODS]
    assert "Reader 2" not in " ".join(told.values())


def test_a_study_of_mushrooms_hears_nothing_of_skin(report: ReportData) -> None:
    told = " ".join(files_of(of_mushrooms(report)).values())
    assert "one of edible, poisonous" in told
    for word in ("PASI", "phone", "psoria", "plaque", "skin"):
        assert word not in told, told[max(0, told.find(word) - 80) :][:160]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "[a](https://example.org)", "a|b # c `d`"])
def test_hostile_words_stay_words(report: ReportData, files: dict[str, str], text: str) -> None:
    found = files_of(hostile(report, text))
    assert {name: words.count("\n| ") for name, words in found.items()} == {
        name: words.count("\n| ") for name, words in files.items()
    }
    for words in found.values():
        assert not re.search(r"(?<!\\)<", words)
        assert not re.search(r"\]\(https", words.replace("\\]", ""))
    assert plain(text) in found[METHODS]
