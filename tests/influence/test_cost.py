"""What a trace tells of its time: the passes it counts on are those it takes, and remembered parts are no measure."""

from collections.abc import Callable
from typing import Any

import pytest

from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing import cost
from grasp_psonet.influence.tracing.cost import Pace, spoken_time
from tests.tiny_run import TinyRun

FORMULAS: tuple[FormulaName, ...] = ("adam", "cosine")
STEPWISE: tuple[FormulaName, ...] = (*FORMULAS, "adam-step", "unrolled")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.train(tmp_path_factory.mktemp("anchors"))


@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize("unit", ["single", "edit"])
@pytest.mark.parametrize("counting", ["even", "checkpoints", "steps"])
@pytest.mark.parametrize("summed", [False, True])
def test_the_passes_counted_on_are_those_taken(
    run: TinyRun, monkeypatch: pytest.MonkeyPatch, summed: bool, counting: str, unit: UnitName, in_blocks: bool
) -> None:
    if in_blocks:
        blocks: Callable[..., list[slice]] = lambda count, *_: [slice(q, q + 1) for q in range(count)]  # noqa: E731
        monkeypatch.setattr("grasp_psonet.influence.tracing.request.query_blocks", blocks)
    counted, taken = [], []
    monkeypatch.setattr(Pace, "begins", lambda self, num_passes: counted.append(num_passes))
    monkeypatch.setattr(Pace, "on_passes", lambda self, num_passes: taken.append(num_passes))
    settings = TraceSettings(counting=counting, unit=unit, summed=summed)  # type: ignore[arg-type]
    run.trace(settings, STEPWISE if counting == "steps" else FORMULAS)
    assert counted == [sum(taken)]
    assert sum(taken) > 20


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> tuple[Clock, list[str]]:
    clock, lines = Clock(), []
    monkeypatch.setattr(cost, "time", clock)
    monkeypatch.setattr(cost.log, "info", lambda text, *values: lines.append(text % values))
    return clock, lines


def _work(clock: Clock, one: Pace, seconds: int, passes_per_s: int = 1) -> None:
    for _ in range(seconds):
        clock.now += 1
        one.on_passes(passes_per_s)


def test_it_tells_the_time_of_all_and_then_what_is_left(told: Any) -> None:
    clock, lines = told
    one = Pace()
    one.begins(200)
    _work(clock, one, 22, passes_per_s=2)
    assert lines == [
        "  tracing will take about 98 s",
        "  tracing: 12 %, about 88 s left",
        "  tracing: 22 %, about 78 s left",
    ]


def test_remembered_parts_are_no_measure_of_time(told: Any) -> None:
    clock, lines = told
    one = Pace()
    one.begins(400)
    for _ in range(3):
        one.ended(100)
    _work(clock, one, 2, passes_per_s=2)
    assert lines == ["  tracing will take about 48 s"]
    _work(clock, one, 10, passes_per_s=2)
    assert lines[1:] == ["  tracing: 24 %, about 38 s left"]


def test_a_quick_trace_says_nothing(told: Any) -> None:
    clock, lines = told
    one = Pace()
    one.begins(10)
    _work(clock, one, 1, passes_per_s=10)
    assert lines == []


def test_times_are_spoken_in_units_that_fit() -> None:
    assert [spoken_time(s) for s in (3.4, 99, 100, 5900, 36000)] == ["3 s", "99 s", "2 min", "98 min", "10.0 h"]
