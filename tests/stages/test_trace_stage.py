"""``grasp trace`` interrupted goes on where it stopped, with the same bytes; parts on disk are proven before they count."""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from grasp_psonet.bags.bag import Bag
from grasp_psonet.cli import main
from grasp_psonet.cohort.sources import delimited
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing import trace as tracing
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula
from grasp_psonet.influence.units.unit import NOTHING, UnitCoverage
from grasp_psonet.stages.makers.tracing.trace_parts import TraceParts, kept_parts
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.trajectory import trajectory
from grasp_psonet.trajectory.anchors import Anchor

pytestmark = pytest.mark.long

SMALL = ["--cohort.num_patients", "12", "--cohort.num_visits", "15", "--cohort.num_views", "1"]
SMALL += ["--cohort.val_visits", "6", "--cohort.test_visits", "3", "--train.epochs", "1", "--machine.processes", "1"]
# one part a query: a query's directions are larger than the memory
TRACE = ["--trace.formula", "unrolled", "--trace.counting", "steps", "--trace.unit", "visit", "--trace.errors", "kept"]
TRACE += ["--trace.curvature", "none", "--trace.memory_mib", "1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("trace") / "study"
    assert main(["cohort", str(study), "--preset", "tiny", *SMALL]) == 0
    for command in ("prepare", "features", "train"):
        assert main([command, str(study)]) == 0
    return study


def _bytes(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "clock.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


class CountedParts:
    """The counted_parts that were made, by the first row of each; interrupts the one of row ``stops_at``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        self.stops_at = -1
        real: Callable[..., ScoresByFormula] = tracing.unrolled_scores  # type: ignore[attr-defined]

        def made(trained: Any, rows: slice, request: Any) -> ScoresByFormula:
            if rows.start == self.stops_at:
                raise KeyboardInterrupt
            self.rows.append(rows.start)
            return real(trained, rows, request)

        monkeypatch.setattr(tracing, "unrolled_scores", made)


@pytest.mark.whole
def test_an_interrupted_trace_goes_on_with_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "grasp_psonet")
    whole, study = tmp_path / "whole", tmp_path / "study"
    for copy in (whole, study):
        shutil.copytree(trained, copy)
    counted_parts = CountedParts(monkeypatch)
    assert main(["trace", str(whole), *TRACE]) == 0
    queries = list(counted_parts.rows)
    assert queries == list(range(len(queries)))
    assert len(queries) >= 3, "too few parts: an interruption would prove nothing"
    name = "traces/unrolled-visit-kept-errors-steps-none"
    assert not (whole / name / "parts").exists()

    counted_parts.rows, counted_parts.stops_at = [], 2
    assert main(["trace", str(study), *TRACE]) == 130
    assert counted_parts.rows == [0, 1]
    kept = sorted((study / f"{name}.partial").rglob("*.safetensors"))
    assert [path.parent.name for path in kept] == ["unrolled", "unrolled"]
    kept[0].write_bytes(kept[0].read_bytes()[:-8])

    counted_parts.rows, counted_parts.stops_at = [], -1
    caplog.clear()
    assert main(["trace", str(study), *TRACE]) == 0
    assert counted_parts.rows == [0, *queries[2:]], "only the damaged part and those not yet made are made"
    assert "trace: was interrupted; goes on where it stopped" in caplog.messages
    assert "  parts left by the interrupted trace: 2; each is proven before it counts" in caplog.messages
    assert sum("is damaged or of another trace" in line for line in caplog.messages) == 1
    assert _bytes(study / name) == _bytes(whole / name)


def test_parts_of_other_settings_are_not_taken_and_the_plan_says_so(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = tmp_path / "study"
    shutil.copytree(trained, study)
    counted_parts = CountedParts(monkeypatch)
    counted_parts.stops_at = 1
    assert main(["trace", str(study), *TRACE]) == 130
    counted_parts.rows, counted_parts.stops_at = [], -1
    other = [*TRACE, "--trace.photos_per_batch", "7"]
    told = "trace: {}was interrupted under other settings (trace.photos_per_batch); starts again{}"
    capsys.readouterr()
    assert main(["run", str(study), *other, "--dry-run"]) == 0
    assert told.format("would run (", ")") in capsys.readouterr().out
    caplog.set_level(logging.INFO, "grasp_psonet")
    assert main(["trace", str(study), *other]) == 0
    assert told.format("", "") in caplog.messages
    assert counted_parts.rows[0] == 0


@pytest.mark.parametrize("errors", ["kept", "each_anchor"])
def test_a_trace_reads_each_table_the_store_and_each_file_of_its_run_once(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: str
) -> None:
    study = tmp_path / "study"
    shutil.copytree(trained, study)
    read: Counter[str] = Counter()

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def reader(path: Any, *args: Any, **kwargs: Any) -> Any:
            read[Path(path).relative_to(study).as_posix()] += 1
            return real(path, *args, **kwargs)

        return reader

    monkeypatch.setattr(delimited, "_records", counted(delimited._records))
    for module, name in ((pq, "ParquetFile"), (np, "load"), (trajectory, "read_anchor")):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    text = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a, **k: (counted(text) if path.name == "metrics.json" else text)(path, *a, **k)
    )
    assert main(["trace", str(study), "--trace.counting", "steps", "--trace.errors", errors]) == 0
    anchors = {name: count for name, count in read.items() if name.startswith("runs/baseline/anchors/")}
    wanted = ["visits.csv", "photos.csv", "views.csv", "store/index.parquet", "store/photos.npy"]
    wanted += [f"runs/baseline/{name}" for name in ("metrics.json", "steps.parquet")]
    wanted += ["runs/baseline/predictions.parquet"] if errors == "kept" else []
    assert {name: count for name, count in read.items() if name not in anchors} == dict.fromkeys(wanted, 1)
    assert anchors, "weights are read anew for each of their uses; they are too large to hold"


def _bag(name: str, label: int = 0) -> Bag:
    return Bag(name, label, (f"{name}-p0", f"{name}-p1"), (0, 1), (True, True))


def _asked(queries: Any, formulas: Any = ("adam", "cosine"), **changes: Any) -> Request:
    settings = {name: changes.pop(name) for name in list(changes) if name not in ("folds", "only")}
    wanted = tuple(FORMULAS[name] for name in formulas)
    coverage = UnitCoverage("single", frozenset(), NOTHING, NOTHING, {}, {})
    return Request((_bag("v0"),), queries, np.zeros(0), wanted, TraceSettings(**settings), coverage, **changes)


def _parts(folder: Path, formulas: Any = ("adam", "cosine"), label: int = 0, **changes: Any) -> TraceParts:
    return kept_parts(folder, _asked([_bag("q0", label)], formulas, **changes))


def test_an_error_moved_to_another_anchor_does_not_take_the_parts_of_the_first(tmp_path: Path) -> None:
    asked = [
        kept_parts(tmp_path, _asked(queries, ("adam",), formula="adam")).identity
        for queries in ([_bag("q0")], {3: [_bag("q0")]}, {6: [_bag("q0")]}, {3: [_bag("q0")], 6: [_bag("q0")]})
    ]
    assert len(set(asked)) == 4


class Maker:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> ScoresByFormula:
        self.made += 1
        rng = np.random.default_rng(self.made)
        return {"adam": rng.normal(size=(3, 4)), "cosine": rng.normal(size=(4, 3)).T}


def test_parts_come_back_bit_for_bit(tmp_path: Path) -> None:
    make, parts = Maker(), _parts(tmp_path)
    first = parts.remember("anchor-1", make)
    again = parts.remember("anchor-1", make)
    assert make.made == 1
    assert again.keys() == first.keys()
    for formula, scores in first.items():
        assert again[formula].dtype == np.float64
        assert (again[formula] == scores).all()
    assert (parts.remember("anchor-2", make)["adam"] != first["adam"]).all()
    assert len(parts) == 2


def test_a_part_holds_the_photos_that_have_a_score_in_it(tmp_path: Path) -> None:
    parts, whole = _parts(tmp_path), np.zeros((3, 4000))
    whole[:, [7, 1500, 3999]] = np.random.default_rng(0).normal(size=(3, 3))
    whole[1, 7] = 0.0
    made = parts.remember("steps-1", lambda: {"adam": whole, "cosine": np.zeros((3, 4000))})
    again = parts.remember("steps-1", lambda: pytest.fail("the part was not kept"))
    for found in (made, again):
        np.testing.assert_array_equal(found["adam"], whole)
        np.testing.assert_array_equal(found["cosine"], np.zeros((3, 4000)))
    assert (parts.folder / "steps-1.safetensors").stat().st_size < 1500, "a dense table would be 192,000 bytes"


def test_no_trace_takes_the_parts_of_another(tmp_path: Path) -> None:
    make = Maker()
    _parts(tmp_path).remember("anchor-1", make)
    others = [
        _parts(tmp_path, formulas=("adam",)),
        _parts(tmp_path, label=1),
        _parts(tmp_path, photos_per_batch=5),
        _parts(tmp_path, folds=True),
        _parts(tmp_path, only=frozenset(["v0-p0"])),
        _parts(tmp_path, only=frozenset(["v0-p1"])),
    ]
    for made, other in enumerate(others, start=2):
        other.remember("anchor-1", make)
        assert make.made == made
    renamed = _parts(tmp_path / "renamed")
    renamed.remember("anchor-1", make)
    (renamed.folder / "anchor-1.safetensors").rename(renamed.folder / "anchor-2.safetensors")
    made = make.made
    renamed.remember("anchor-2", make)
    assert make.made == made + 1


@pytest.mark.parametrize("at", [0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("harm", ["flipped", "cut"])
def test_a_damaged_part_is_made_again_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, at: float, harm: str
) -> None:
    make, parts = Maker(), _parts(tmp_path)
    parts.remember("anchor-1", make)
    path = parts.folder / "anchor-1.safetensors"
    content = bytearray(path.read_bytes())
    place = int(at * len(content))
    content[place] ^= 0x40
    path.write_bytes(bytes(content) if harm == "flipped" else bytes(content)[:place])
    found = parts.remember("anchor-1", make)
    assert make.made == 2
    assert "this part is made again" in caplog.text
    assert (parts.remember("anchor-1", make)["adam"] == found["adam"]).all()
    assert make.made == 2


@pytest.mark.parametrize("is_off", [False, True])
def test_step_1_is_replayed_and_what_differs_is_a_caveat(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_off: bool
) -> None:
    study = tmp_path / "study"
    shutil.copytree(trained, study)
    start, asked = TrainedRun.start, list[int]()

    def seen(run: TrainedRun) -> Anchor:
        anchor = start(run)
        asked.append(anchor.step)
        return replace(anchor, weights={name: 1.1 * w for name, w in anchor.weights.items()}) if is_off else anchor

    monkeypatch.setattr(TrainedRun, "start", seen)
    assert main(["trace", str(study)]) == 0
    told = json.loads((study / "traces/cosine/caveats.json").read_text())
    assert asked == [0]
    assert len(told) == is_off
    if is_off:
        assert told[0].startswith("step 1 replays to loss")
        assert "not those of training" in told[0]
