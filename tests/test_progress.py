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
        tell = progress.teller("work")
        for done in (1, 2, 3, 4):
            tell(done, 4)
    assert [record.message for record in caplog.records] == ["work: 2 of 4, 20 s left", "work: 4 of 4, 0 s left"]


def test_track_yields_everything_in_order() -> None:
    assert list(progress.track(iter("abc"), "letters", 3)) == ["a", "b", "c"]
