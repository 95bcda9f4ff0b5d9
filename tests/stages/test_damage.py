"""A finished stage is proven before it is used: every damage is named, none is used, and only the user's word makes anew."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.damages import damages_of, files_of_clock, is_named_before_use
from grasp_psonet.cli import main
from grasp_psonet.errors import StageError
from grasp_psonet.proof import proven, read_note

pytestmark = pytest.mark.long


@pytest.fixture
def study(tiny_demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_demo, tmp_path / tiny_demo.name))


@pytest.mark.parametrize("files_a_stage", [2, pytest.param(100, marks=pytest.mark.nightly)])
def test_every_damage_to_a_finished_stage_is_named_before_use(
    tiny_demo: Path, tmp_path: Path, files_a_stage: int
) -> None:
    # one of the six kinds for each file, in turn: each kind of stage meets one, each kind of damage several
    # (`make bench-stages` does all)
    in_turn = [damage for n, damage in enumerate(damages_of(tiny_demo)) if n % 6 == n // 6 % 6]
    of_stage: Counter[str] = Counter()
    damages = []
    for damage in in_turn:
        stage = damage.file.split("/")[0]
        of_stage[stage] += 1
        if of_stage[stage] <= files_a_stage:
            damages.append(damage)
    assert len(damages) >= 20
    assert min(Counter(damage.kind for damage in damages).values()) >= 2
    assert len({damage.kind for damage in damages}) == 6, "a kind of damage is left out"
    assert len({damage.file.split("/")[0] for damage in damages}) == 13, "a kind of stage is left out"
    passed = [d for n, d in enumerate(damages) if not is_named_before_use(tiny_demo, d, tmp_path / str(n))]
    assert passed == []


def test_a_whole_study_passes_where_damages_are_named(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((study / "report/results.json").read_bytes())
    assert main(["run", str(study), "--remake", "report"]) == 0
    assert "report: made anew, as asked" in capsys.readouterr().err
    after = json.loads((study / "report/results.json").read_bytes())
    assert before.pop("clock").keys() == after.pop("clock").keys()
    assert after == before


def test_damage_to_the_clock_or_its_loss_matters_to_nothing(study: Path) -> None:
    clocks = list(files_of_clock(study))
    assert len(clocks) >= 12
    for number, clock in enumerate(clocks):
        if number % 3 == 0:
            clock.unlink()
        else:
            clock.write_bytes(b"{" if number % 3 == 1 else clock.read_bytes().replace(b"1", b"2"))
    assert main(["run", str(study)]) == 0
    assert all("files" in json.loads(clock.read_text()) for clock in clocks), "the next look reads all bytes again"


def test_a_copied_study_stands_and_its_times_are_noted_afresh(tiny_demo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_demo, copy, copy_function=shutil.copyfile)
    assert main(["run", str(copy)]) == 0
    noted = json.loads((copy / "report/clock.json").read_text())["files"]["report.html"]
    about = (copy / "report/report.html").stat()
    assert noted == [about.st_size, about.st_mtime_ns]


def test_what_is_damaged_is_made_anew_by_the_users_word_alone(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = study / "prunings/cosine-k3/keep.parquet"
    whole, about = place.read_bytes(), place.stat()
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert main(["run", str(study)]) == 1
    told = capsys.readouterr().err
    assert f"{place} is damaged: its {len(whole)} bytes are not those that were made" in told
    assert "--remake damaged" in told
    assert main(["run", str(study), "--dry-run", "--remake", "damaged"]) == 0
    assert "prune cosine-k3: would run" in capsys.readouterr().out
    assert place.read_bytes() != whole
    assert main(["run", str(study), "--remake", "damaged"]) == 0
    assert place.read_bytes() == whole


def test_predict_proves_the_run_first(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anchor = next((study / "runs/baseline/anchors").iterdir())
    content, about = bytearray(anchor.read_bytes()), anchor.stat()
    content[-7] ^= 0x40
    anchor.write_bytes(content)
    os.utime(anchor, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert main(["predict", str(study / "runs/baseline"), str(study / "photos")]) == 1
    assert f"{anchor} is damaged" in capsys.readouterr().err


def test_a_stray_file_is_ignored_but_not_among_files_of_its_kind(study: Path) -> None:
    (study / "runs/baseline/notes.txt").write_text("mine")
    assert proven(study / "runs/baseline") == study / "runs/baseline"
    anchors = study / "runs/baseline/anchors"
    anchor = next(anchors.iterdir())
    shutil.copyfile(anchor, anchors / "step-0000999.safetensors")
    os.utime(anchor)
    with pytest.raises(StageError, match=r"step-0000999\.safetensors is none of the files that were made there"):
        proven(study / "runs/baseline")


def test_a_stage_without_its_note_is_named_and_left_alone(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "audit/stage.json").unlink()
    assert main(["run", str(study), "--dry-run"]) == 0
    assert "audit: would stop" in capsys.readouterr().out
    assert main(["run", str(study)]) == 1
    assert f"{study / 'audit/stage.json'} is missing" in capsys.readouterr().err
    assert (study / "audit/visits.parquet").exists()


def test_a_damaged_truth_is_named_and_drawn_again(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = study / "truth.parquet"
    whole = place.read_bytes()
    for spoilt, told in ((whole[:-9], f"{place} is not as it was drawn"), (None, f"{place} is missing")):
        place.unlink() if spoilt is None else place.write_bytes(spoilt)
        assert main(["run", str(study)]) == 1
        err = capsys.readouterr().err
        assert told in err
        assert "`grasp cohort STUDY` draws it again" in err
    assert main(["cohort", str(study)]) == 0
    assert place.read_bytes() == whole
    assert main(["run", str(study)]) == 0
    assert "report: stands" in capsys.readouterr().err


@pytest.mark.process
def test_a_look_at_a_finished_study_loads_neither_torch_nor_pandas(tiny_demo: Path) -> None:
    code = (
        "import sys; from grasp_psonet.cli import main; code = main(['run', sys.argv[1]]);"
        "print(code, [m for m in ('torch', 'timm', 'pandas', 'numpy', 'scipy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny_demo)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_every_byte_of_a_note_counts(tiny_demo: Path, tmp_path: Path) -> None:
    note = (tiny_demo / "report/stage.json").read_bytes()
    for at in range(0, len(note), max(1, len(note) // 200)):
        for bit in (0x01, 0x20):
            place = tmp_path / "stage.json"
            place.write_bytes(note[:at] + bytes([note[at] ^ bit]) + note[at + 1 :])
            with pytest.raises(StageError, match="is damaged"):
                read_note(tmp_path)
