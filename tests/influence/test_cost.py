"""What a trace tells of its time: the passes it counts on are those it takes, and remembered parts are no measure."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.cost import Pace
from grasp_psonet.progress import heard_by
from tests.long_forms import by_day
from tests.tiny_run import TinyRun

FORMULAS: tuple[FormulaName, ...] = ("adam", "cosine")
STEPWISE: tuple[FormulaName, ...] = (*FORMULAS, "adam-step", "unrolled")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"))


EVERY = list(product([False, True], ["even", "checkpoints", "steps"], ["single", "edit"], [False, True]))
SHORT = [  # each value beside each value of every other choice
    (False, "even", "single", False),
    (True, "even", "edit", True),
    (True, "checkpoints", "single", True),
    (False, "checkpoints", "edit", False),
    (True, "steps", "single", False),
    (False, "steps", "edit", True),
]


@pytest.mark.parametrize(("summed", "counting", "unit", "in_blocks"), by_day(SHORT, EVERY))
def test_the_passes_counted_on_are_those_taken(
    run: TinyRun, monkeypatch: pytest.MonkeyPatch, summed: bool, counting: str, unit: UnitName, in_blocks: bool
) -> None:
    if in_blocks:
        blocks: Callable[..., list[slice]] = lambda count, *_: [slice(q, q + 1) for q in range(count)]  # noqa: E731
        monkeypatch.setattr("grasp_psonet.influence.tracing.request.query_blocks", blocks)
    counted, taken = [], []
    monkeypatch.setattr(Pace, "begins", lambda self, num_passes: counted.append(num_passes))
    monkeypatch.setattr(Pace, "on_passes", lambda self, num_passes: taken.append(num_passes))
    settings = TraceSettings(counting=counting, unit=unit, sum_queries=summed)  # type: ignore[arg-type]
    run.trace(settings, STEPWISE if counting == "steps" else FORMULAS)
    assert counted == [sum(taken)]
    assert sum(taken) > 20


@pytest.fixture
def heard() -> Iterator[list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    with heard_by(lambda title, done, total: told.append((done, total))):
        yield told


def _work(one: Pace, num_passes: int) -> None:
    for _ in range(num_passes):
        one.on_passes(1)


def test_it_tells_what_is_done_of_all_and_the_end_once(heard: list[tuple[int, int]]) -> None:
    one = Pace()
    one.begins(6)
    for _ in range(2):
        _work(one, 3)
        one.ended(3)
    assert heard == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]


def test_remembered_parts_are_no_measure_of_time(heard: list[tuple[int, int]]) -> None:
    one = Pace()
    one.begins(400)
    for _ in range(3):
        one.ended(100)
    _work(one, 2)
    assert heard == [(1, 100), (2, 100)]


def test_the_end_is_told_where_passes_were_counted_wrongly(heard: list[tuple[int, int]]) -> None:
    for taken in (2, 4):
        one = Pace()
        one.begins(3)
        _work(one, taken)
        one.ended(3)
        assert heard[-1] == (taken, taken)
        assert [done for done, total in heard if done == total] == [taken]
        heard.clear()


def test_a_trace_that_is_remembered_whole_says_nothing(heard: list[tuple[int, int]]) -> None:
    one = Pace()
    one.begins(10)
    one.ended(10)
    assert heard == []
