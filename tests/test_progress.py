"""Progress elsewhere than on a terminal: lines with time left."""

import logging

import pytest

from grasp_psonet import progress


def lines_of(
    moments: list[float], done: list[int], total: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What is logged of work that begins at 0 and has so much done at each of these moments."""
    now = iter([0.0, 0.0, *moments])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with caplog.at_level(logging.INFO, "grasp_psonet"):
        told = progress.progress("work")
        for one in done:
            told.advance(one, total)
    return [record.message for record in caplog.records]


def test_lines_state_what_is_done_and_what_is_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = lines_of([1.0, 21.0, 25.0, 60.0], [1, 2, 3, 4], 4, caplog, monkeypatch)
    assert lines == ["work: 2 of 4, 40 s left", "work: 4 of 4, 0 s left"]


def test_time_left_does_not_count_the_start_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty seconds of start-up, then a photo every second: 100 photos never look like an hour."""
    lines = lines_of([30.0, 35.0, 40.0, 50.0], [1, 6, 11, 21], 100, caplog, monkeypatch)
    assert lines == ["work: 1 of 100", "work: 11 of 100", "work: 21 of 100, 79 s left"]


def test_what_stood_already_makes_nothing_look_quick(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines_of([0.0, 10.0], [50, 51], 60, caplog, monkeypatch) == ["work: 51 of 60, 90 s left"]


def test_parts_of_many_minutes_tell_after_the_first(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, trainings of ten minutes: the second result comes right after the first."""
    lines = lines_of([600.0, 611.0], [1, 2], 8, caplog, monkeypatch)
    assert lines == ["work: 1 of 8, 70 min left", "work: 2 of 8, 31 min left"]


def test_track_yields_everything_in_order() -> None:
    assert list(progress.track(iter("abc"), "letters", 3)) == ["a", "b", "c"]


def test_a_listener_hears_of_all_work_inside_its_block_and_of_none_outside() -> None:
    heard: list[tuple[str, int, int]] = []
    with progress.heard_by(lambda *told: heard.append(told)):
        list(progress.track("ab", "letters", 2))
        with progress.heard_by(None):
            progress.progress("inner").advance(3, 9)
    progress.progress("outside").advance(1, 1)
    assert heard == [("letters", 1, 2), ("letters", 2, 2), ("inner", 3, 9)]


@pytest.mark.parametrize(("seconds", "said"), [(99.4, "99 s"), (100, "2 min"), (5999, "100 min"), (6000, "1.7 h")])
def test_time_left_is_said_for_people(seconds: float, said: str) -> None:
    assert progress.spoken_time(seconds) == said
