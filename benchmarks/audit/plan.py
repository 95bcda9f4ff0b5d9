"""What the audit benchmark makes: one table per cohort, each with what the cohort is. Tables that stand are read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks.audit.cell import Cell, kept
from benchmarks.audit.figures import Table
from benchmarks.audit.fine_tuned import FineTuned
from benchmarks.audit.ground import DrawnGround, Readers
from benchmarks.audit.second_readings import DRAWS, KINDS, Kind, RealGround
from grasp_psonet.cohort.synthetic.settings import SyntheticSettings

Part = Literal["drawn", "study", "study trained", "trained", "fine-tuned", "head folds", "influence"]
_DEMO = ("demo_convnext", "demo_vit")


@dataclass(frozen=True)
class Scope:
    """How much is made: seeds, gross errors in a reader's visits, encoders, and the cohort that is drawn. ``trained_rates``:
    the rates at which heads are trained as well, for the rankings that read training."""

    folder: Path
    seeds: tuple[int, ...] = tuple(range(200, 210))
    gross_errors: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    trained_rates: tuple[float, ...] = (0.1,)
    encoders: tuple[str, ...] = ("efficientnet_lite0", *_DEMO)
    cohort: SyntheticSettings = SyntheticSettings()
    num_fine_tuned: int = 2  # seeds: a run takes minutes
    num_candidates: int = 5  # seeds
    study: RealGround | None = None


@dataclass(frozen=True)
class Planned:
    """A table of a part: where it is kept, what it is of, and how it is made."""

    part: Part
    path: Path
    about: dict[str, Any]
    make: Callable[[], pd.DataFrame]

    def table(self) -> Table:
        return Table(kept(self.path, self.make), {"part": self.part} | self.about)


def planned(scope: Scope) -> Iterator[Planned]:
    """Everything: what the first figures are of comes first."""
    main, others = (replace(scope, encoders=names) for names in (scope.encoders[:1], scope.encoders[1:]))
    if scope.study is not None:
        yield from _of_study(scope.folder / "study", scope.study)
    for one in _by_seed(main):
        yield from _drawn(one)
        yield from _trained(one)
    if scope.study is not None:
        yield from _of_study_trained(scope.folder / "study", scope.study)
    yield from _candidates(replace(main, seeds=scope.seeds[: scope.num_candidates]))
    yield from _fine_tuned(scope)
    for one in _by_seed(others):
        yield from _drawn(one)
        yield from _trained(one)


def _by_seed(scope: Scope) -> Iterator[Scope]:
    """One seed after the other, so that an unfinished benchmark knows everything of some."""
    for seed in scope.seeds:
        yield replace(scope, seeds=(seed,))


def _fine_tuned(scope: Scope) -> Iterator[Planned]:
    for seed in scope.seeds[: scope.num_fine_tuned]:
        for encoder in _DEMO:
            rate = scope.trained_rates[0]
            path = scope.folder / "fine-tuned" / f"{encoder}-{seed}-{rate:g}.parquet"
            run = FineTuned(path.with_suffix(""), seed, encoder, rate)
            about = {"encoder": encoder, "seed": seed, "gross_errors": rate, "shortcut": True, "cohort": f"{rate:g}"}
            yield Planned("fine-tuned", path, about, run.audited)


def _cohorts(scope: Scope) -> Iterator[tuple[Path, dict[str, Any], Callable[[], Cell]]]:
    for encoder in scope.encoders:
        for seed in scope.seeds:
            ground = DrawnGround(scope.folder / "cohorts" / str(seed), seed, scope.cohort)
            for rate in scope.gross_errors:
                for has_shortcut in (False, True):
                    name = f"{encoder}-{rate:g}{'-shortcut' if has_shortcut else ''}"
                    about = {"encoder": encoder, "seed": seed, "gross_errors": rate, "shortcut": has_shortcut}
                    path = scope.folder / "tables" / str(seed) / f"{name}.parquet"
                    yield path, about | {"cohort": name}, _cell(ground, encoder, Readers(rate, has_shortcut))


def _cell(ground: DrawnGround, encoder: str, readers: Readers) -> Callable[[], Cell]:
    def make() -> Cell:
        ground.make_features(encoder)
        visits = ground.visits(readers)
        return Cell(visits.assign(is_reported=True), ground.bags(encoder, visits, readers), ground.seed)

    return make


def _drawn(scope: Scope) -> Iterator[Planned]:
    for path, about, cell in _cohorts(scope):
        yield Planned("drawn", path, about, _rank(cell))


def _trained(scope: Scope) -> Iterator[Planned]:
    for path, about, cell in _cohorts(scope):
        if about["gross_errors"] in scope.trained_rates and about["shortcut"]:
            folder = path.with_name(f"{path.stem}-trained.parquet")
            yield Planned("trained", folder, about, _audit(cell, folder.with_suffix("")))


def _rank(cell: Callable[[], Cell]) -> Callable[[], pd.DataFrame]:
    return lambda: cell().ranked()


def _candidates(scope: Scope) -> Iterator[Planned]:
    """What was tried beside the defaults: heads trained in the folds, and influence out of fold."""
    for path, about, cell in _cohorts(scope):
        if about["gross_errors"] in scope.trained_rates and about["shortcut"]:
            by_heads, with_influence = (
                path.with_name(f"{path.stem}-{word}.parquet") for word in ("heads", "influence")
            )
            yield Planned("head folds", by_heads, about, _rank_by_heads(cell, by_heads.with_suffix("")))
            yield Planned("influence", with_influence, about, _with_influence(cell))


def _rank_by_heads(cell: Callable[[], Cell], folder: Path) -> Callable[[], pd.DataFrame]:
    return lambda: cell().ranked_by_heads(folder)


def _with_influence(cell: Callable[[], Cell]) -> Callable[[], pd.DataFrame]:
    return lambda: cell().with_influence()


def _audit(cell: Callable[[], Cell], folder: Path) -> Callable[[], pd.DataFrame]:
    return lambda: cell().audited(folder)


def _of_study(folder: Path, study: RealGround) -> Iterator[Planned]:
    for name, about, cell in _cells_of_study(study):
        yield Planned("study", folder / f"{name}.parquet", about, _rank(cell))


def _of_study_trained(folder: Path, study: RealGround) -> Iterator[Planned]:
    for name, about, cell in _cells_of_study(study):
        if not about["cohort"].endswith("scores"):
            path = folder / f"{name}-trained.parquet"
            yield Planned("study trained", path, about, _audit(cell, path.with_suffix("")))


def _cells_of_study(study: RealGround) -> Iterator[tuple[str, dict[str, Any], Callable[[], Cell]]]:
    """The study as read, then its flipped copies."""
    about: dict[str, Any] = {"encoder": "the study's", "seed": -1, "cohort": "as read"}
    yield "as-read", about, study.as_read
    for kind in KINDS:
        for draw in range(DRAWS):
            told = about | {"seed": draw, "cohort": f"flips, {kind}"}
            yield f"flips-{kind}-{draw}", told, _flipped(study, draw, kind)


def _flipped(study: RealGround, draw: int, kind: Kind) -> Callable[[], Cell]:
    return lambda: study.flipped(draw, kind)
