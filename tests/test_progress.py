"""Progress elsewhere than on a terminal: lines with time left."""

import logging

import pytest

from grasp_psonet import progress


def test_lines_state_what_is_done_and_what_is_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 1.0, 20.0, 25.0, 60.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with caplog.at_level(logging.INFO, "grasp_psonet"):
        told = progress.progress("work")
        for done in (1, 2, 3, 4):
            told.advance(done, 4)
    assert [record.message for record in caplog.records] == ["work: 2 of 4, 20 s left", "work: 4 of 4, 0 s left"]


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
