"""Requests of random words at every address, by every role: no answer is a fault of the program."""

import pytest

from benchmarks.reading_app.fuzz import fuzzed
from tests.reading.playground import Playground

NUM_REQUESTS = 240  # `make bench-read-fuzz` sends ten thousand


@pytest.mark.long
def test_no_request_breaks_the_app(opened: Playground) -> None:
    statuses = fuzzed(opened, NUM_REQUESTS, seed=1)
    assert statuses.total() == NUM_REQUESTS
    assert {200, 302, 400, 404, 405} <= statuses.keys(), statuses
    assert statuses[200] >= 5, statuses
