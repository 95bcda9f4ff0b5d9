"""The paper-size benchmark at a small size: all parts, stopped and gone on with, and the parts it is made of."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.paper_preset.calibrate import Calibration
from benchmarks.paper_preset.clock import Attempt, TimeIsUp, alarm, attempts, epoch_seconds
from benchmarks.paper_preset.command import run
from benchmarks.paper_preset.needs import NEEDS, message, missing
from benchmarks.paper_preset.options import parser, request_of
from benchmarks.paper_preset.parts import make_parts
from grasp_psonet.progress import log
from grasp_psonet.stages.names import BASELINE, PROBE
from grasp_psonet.study import Study
from grasp_psonet.trajectory.records import recorded_epochs

pytestmark = pytest.mark.long

SMALL = ["--small", "--device", "cpu", "--processes", "1", "--epochs", "2", "--folder"]


@pytest.fixture
def plain_log() -> Iterator[None]:
    """The command changes the package's logger, which outlives a test."""
    before, level = log.handlers[:], log.level
    yield
    log.handlers[:] = before
    log.setLevel(level)


@pytest.mark.usefixtures("plain_log")
def test_a_stopped_study_goes_on_and_ends_with_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALL, str(tmp_path / "study")]
    assert run(None, [*words, "--until", "prepare"]) == 0
    assert run(None, [*words, "--stop-after-minutes", "0"]) == 0
    stopped = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert not stopped["is_finished"]
    assert not Study(tmp_path / "study").run(BASELINE).exists()

    assert run(None, words) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["is_finished"]
    assert figures["epochs"] == 2
    assert figures["study"]["visits"] == {"train": 18, "val": 9, "test": 9}
    assert all(spent["is_finished"] and spent["elapsed"] > 0 for spent in figures["seconds"].values())
    assert set(attempts(tmp_path / "study", "train")[-1].epoch_end_unix_s) == {"1", "2"}, "epochs alone are timed"
    assert figures["train"]["photos_per_second"] > 0
    assert figures["train"]["hours_of_100_epochs"] == pytest.approx(figures["train"]["seconds_per_epoch"] / 36)
    assert figures["trace"]["anchors"] * figures["trace"]["photos"] > 0
    assert set(figures["evaluation"]["runs"]) == {BASELINE, PROBE, "paper-kept-errors-checkpoints-each-within-none-k3"}
    assert figures["evaluation"]["removed_photos"]["paper-kept-errors-checkpoints-each-within-none-k3"] > 0
    for readers in figures["evaluation"]["runs"].values():
        assert set(readers) == {"reader1", "reader2"}
        assert all(0 <= found["auc"][0] <= 1 for found in readers.values())

    assert run(None, [*words, "--k", "4"]) == 1
    assert "k was 3, now 4" in capsys.readouterr().err


def test_time_that_is_up_ends_training_which_goes_on_later(tmp_path: Path) -> None:
    make_parts(request_of(parser(None).parse_args([*SMALL, str(tmp_path), "--until", "prepare"])), None)
    request = request_of(parser(None).parse_args([*SMALL, str(tmp_path), "--until", "train", "--epochs", "500"]))
    records = Study(tmp_path).run(BASELINE + ".partial") / "steps"
    written = []
    for more in (3, 1):
        _ring_once_there(records, more)
        with pytest.raises(TimeIsUp):
            make_parts(request, time.monotonic() + 600)
        written.append(min(recorded_epochs(records)).stat().st_mtime_ns)
    assert written[0] == written[1], "the second go began anew"
    first, second = (set(attempt.epoch_end_unix_s) for attempt in attempts(tmp_path, "train"))
    assert {"1", "2"} <= first
    assert "3" in first | second
    assert "1" not in second


def _ring_once_there(records: Path, more: int) -> None:
    """Sends the alarm's signal as soon as so many more epochs are recorded: a stop there, however busy the machine is."""
    wanted = _last_recorded(records) + more

    def watch() -> None:
        while _last_recorded(records) < wanted:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGALRM)

    threading.Thread(target=watch, daemon=True).start()


def _last_recorded(records: Path) -> int:
    return max((epochs[-1] for epochs in recorded_epochs(records).values()), default=0)


def test_an_alarm_that_was_not_reached_never_rings() -> None:
    with alarm(time.monotonic() + 0.05):
        pass
    time.sleep(0.1)


def test_epoch_seconds_leave_out_the_time_between_goes() -> None:
    first = Attempt("train", 100.0, 50.0, False, {"1": 112.0, "2": 122.0})
    second = Attempt("train", 900.0, 50.0, True, {"3": 915.0, "4": 925.0, "6": 999.0})
    assert epoch_seconds([first, second]) == 10.0
    assert epoch_seconds([Attempt("train", 100.0, 50.0, True, {"1": 112.0})]) == 12.0
    assert epoch_seconds([]) is None


def test_epochs_fit_the_budget_with_the_predictions_at_the_end() -> None:
    found = Calibration(0.1, 0.1, 0.3, 0.5, 2.0, 184.0, 100, 10, 40, {}, 0.0)
    assert found.epoch_s == pytest.approx(57.0)
    assert found.epochs_within(20 + 3 * 57.0 + 1) == 3
    assert found.epochs_within(20 + 3 * 57.0 - 1) == 2
    assert found.epochs_within(1) == 1


def test_what_is_missing_is_listed_to_be_carried() -> None:
    assert missing() == []
    lacking = missing(lambda name: name not in ("pydantic", "PIL", "grasp_psonet"))
    assert lacking == ["pillow", "pydantic", "grasp-psonet"]
    text = message(lacking)
    assert f"lacks 3 of the {len(NEEDS)} packages" in text
    assert "carry their wheels" in text
    assert "PYTHONPATH=src" in text
