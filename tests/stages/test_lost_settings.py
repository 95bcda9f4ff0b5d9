"""A study.yaml that is gone never passes in silence: its defaults would make the study anew."""

from pathlib import Path

import pytest

from grasp_psonet.cli import main
from grasp_psonet.proof import seal
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import load

COMMANDS = ("check", "run", "prepare", "trace", "report", "cohort", "demo")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of 7 epochs whose baseline is finished."""
    study = tmp_path / "study"
    assert main(["init", str(study), "--train.epochs", "7"]) == 0
    (study / "store").mkdir()
    run = study / "runs/baseline"
    run.mkdir(parents=True)
    train = as_tree(load(study / "study.yaml").train)
    seal(run, {"settings": {"train": train, "seed": 0}, "inputs": {}, "versions": {}}, {})
    return study


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(words) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("text", [None, "", " \n"])
def test_stages_of_other_settings_are_not_made_anew(
    study: Path, command: str, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is None:
        (study / "study.yaml").unlink()
    else:
        (study / "study.yaml").write_text(text)
    if command in ("cohort", "demo") and text is not None:
        main([command, str(study)])  # an empty file is a file: it is left alone
    found = told([command, str(study)], capsys)
    assert f"study.yaml {'is not there' if text is None else 'is empty'}" in found
    assert "made with other settings than the defaults (train." in found
    assert "next: bring the file back" in found
    assert not (study / "visits.csv").exists()
    assert (text is None) == (not (study / "study.yaml").exists()), "nothing was written in its place"


@pytest.mark.parametrize("command", [*COMMANDS, "init"])
def test_a_link_that_leads_nowhere_is_named(study: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = study.parent / "elsewhere.yaml"
    (study / "study.yaml").unlink()
    (study / "study.yaml").symlink_to(elsewhere)
    found = told([command, str(study)], capsys)
    assert f"study.yaml is a link to {elsewhere}, which is not there" in found
    assert not elsewhere.exists(), "nothing was written through the link"


def test_the_same_settings_by_the_command_line_go_on_and_are_said(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "study.yaml").unlink()
    found = told(["run", str(study), "--train.epochs", "7"], capsys)
    assert "study.yaml is not there: every setting that is not given here is at its default" in found
    assert "holds no visits.csv" in found, "it went on to the next fault"
