"""The harness of faults in short: the last stages of a study, killed and starved, give the bytes of an undisturbed study."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from benchmarks import soak
from benchmarks.soak import FULL, KILL_AFTER_WRITE, KILL_AT_WRITE, Fault, attempt, make_under_faults
from tests.golden.content import content_digests, differences

WORDS = ["run", "--machine.processes", "1"]
LAST_STAGES = ("report",)


@pytest.mark.process
@pytest.mark.nightly
def test_last_stages_under_faults_give_the_same_contents(
    tiny_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "FAULTS", {KILL_AT_WRITE: 0.4, KILL_AFTER_WRITE: 0.4, FULL: 0.2})

    def without_last_stages(study: Path) -> None:
        shutil.copytree(tiny_demo, study, ignore=shutil.ignore_patterns(*LAST_STAGES))

    study, told = make_under_faults(without_last_stages, WORDS, tmp_path, seed=2)
    assert told.wrong == []
    assert told.kills >= 3
    assert differences(content_digests(study), content_digests(tiny_demo)) == []


@pytest.mark.process
@pytest.mark.whole
def test_a_fault_strikes_where_it_is_told_to(tiny_demo: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(tiny_demo, tmp_path / "study", ignore=shutil.ignore_patterns("report")))
    words = ["run", str(study), *WORDS[1:]]
    code, printed = attempt(words, tmp_path / "printed", Fault(FULL, write=8))
    assert code == 1
    assert os.strerror(errno.ENOSPC) in printed
    assert not (study / "report" / "report.html").exists()
    assert attempt(words, tmp_path / "printed", Fault(KILL_AT_WRITE, write=8))[0] == -9
    assert not (study / "report" / "report.html").exists()
    assert attempt(words, tmp_path / "printed", None)[0] == 0
    assert (study / "report" / "report.html").exists()
