"""Leave-one-out truth on a micro study: every photo and every visit is really left out and the network trained again.

    python -m benchmarks.truth.micro.truth [--short] [--folder DIR] [--seeds 5] [--whole-grid]

One cell is one seed, learning rate and length of training; finished cells are files and are not computed again. The truth
is full removal (``full``) and the derivative at weight 0 (``infinitesimal``), both with the sign of scores. Main figures:
photos with unit edit and visits with unit visit, whole visits as queries, lr 1e-3, 60 steps (8 passes over the visits).
Photo queries (only with ``--whole-grid``) are compared with the loss of the photo alone and with that of its visit.
The last line printed is one JSON object.
"""

# Axes: Q queries, P photos, V visits, Z photos or visits, K counterfactuals or keep lists.

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.truth.counterfactual import (
    datamodel_score,
    harmful_overlap,
    mean_over_queries,
    mean_over_seeds,
    spearman,
)
from benchmarks.truth.micro.neighbours import missing, neighbour_scores
from benchmarks.truth.micro.scores import Scores, our_scores, queries_of, refusals
from benchmarks.truth.micro.study import draw_study
from benchmarks.truth.micro.training import MicroRun, joined, keep_lists, leave_one_out, losses_after, retrain, train
from grasp_psonet.chance import generator
from grasp_psonet.files import write_whole

MAIN_LR, MAIN_STEPS = 1e-3, 60
LRS, LENGTHS = (1e-4, 1e-3, 1e-2), (60, 120, 240)
ANCHOR_EVERY = 8  # steps: a pass over the visits, as training anchors by default
SMALL_WEIGHT = 1e-5  # larger ones cross the kinks that Adam's first steps have where a gradient is near 0
NUM_KEEP_LISTS, LEFT_OUT = 40, 0.1
FIGURES = {
    "unrolled": "unrolled exact x {} x steps x all",
    "default": "unrolled none x {} x steps x all",  # no second derivative
    "adam": "adam x {} x checkpoints x all",
    "adam_at_the_end": "adam at the end x {} x checkpoints x all",
}
UNIT_OF = {"photos": "edit", "visits": "visit"}
CASE = ["lr", "steps", "source", "method", "query", "loss_of", "truth", "target"]


@dataclass(frozen=True)
class Truth:
    """True effects of leaving out, positive = helpful, by kind and target [Q, Z]; keep lists and the losses after them."""

    effects: dict[tuple[str, str], np.ndarray]
    is_kept_KP: np.ndarray
    loss_KQ: np.ndarray


def micro_truth(
    folder: Path,
    seeds: Sequence[int],
    lrs: Sequence[float] = LRS,
    lengths: Sequence[int] = LENGTHS,
    whole_grid: bool = False,
) -> dict[str, Any]:
    """Computes the missing cells, writes ``methods.parquet`` and ``methods.csv`` into the folder, returns the main figures.

    ``whole_grid`` runs every defined combination (minutes a cell). The main figures are those of the shortest length of the
    main learning rate, or of the first given where that was not asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cells = cells_of(lrs, lengths, seeds)
    rows = pd.concat([_cell(folder, seed, lr, steps, whole_grid) for lr, steps, seed in cells], ignore_index=True)
    table = summary(rows)
    table.to_parquet(folder / "methods.parquet", index=False)
    table.to_csv(folder / "methods.csv", index=False)
    return main_figures(table, cells[0][0], cells[0][1])


def cells_of(lrs: Sequence[float], lengths: Sequence[int], seeds: Sequence[int]) -> list[tuple[float, int, int]]:
    """Every length at the main learning rate, and every learning rate at the shortest length; the main cell comes first."""
    main_lr = MAIN_LR if MAIN_LR in lrs else lrs[0]
    pairs = [(main_lr, length) for length in sorted(lengths)]
    pairs += [(lr, min(lengths)) for lr in lrs if lr != main_lr]
    return [(lr, steps, seed) for lr, steps in pairs for seed in seeds]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per case: mean over seeds of the mean over queries, its t interval, overlap and seconds."""
    found = []
    for case, group in rows.groupby(CASE, sort=False):
        rank = mean_over_seeds(group["spearman"].to_numpy())
        found.append(
            dict(zip(CASE, case, strict=True))
            | {"spearman": rank.mean, "low": rank.low, "high": rank.high, "num_seeds": rank.num_seeds}
            | {name: mean_over_seeds(group[name].to_numpy()).mean for name in ("overlap", "seconds", "num_together")}
        )
    return pd.DataFrame(found)


def main_figures(table: pd.DataFrame, lr: float, steps: int) -> dict[str, Any]:
    """Spearman against full removal of whole-visit queries: exact unrolling, cheap ones, the best neighbour."""
    here = (table["lr"] == lr) & (table["steps"] == steps) & (table["query"] == "visit") & (table["loss_of"] == "visit")
    figures: dict[str, Any] = {"lr": lr, "steps": steps, "not_installed": missing(), "refused": len(refusals())}
    for target, end in (("photos", ""), ("visits", "_visits")):
        of_target = table[here & (table["target"] == target)].set_index("method")
        full = of_target[of_target["truth"] == "full"]["spearman"].to_dict()
        small = of_target[of_target["truth"] == "infinitesimal"]["spearman"].to_dict()
        others = set(of_target.index[of_target["source"] != "ours"])
        best = max((m for m in others if m in full and not np.isnan(full[m])), key=lambda m: float(full[m]))
        methods = {what: name.format(UNIT_OF[target]) for what, name in FIGURES.items()}
        figures |= {f"loo_spearman_{what}{end}": round(full[method], 4) for what, method in methods.items()}
        figures |= {
            f"infinitesimal_spearman_unrolled{end}": round(small[methods["unrolled"]], 5),
            f"loo_spearman_best_neighbour{end}": round(full[best], 4),
            f"best_neighbour{end}": best,
        }
    return figures


def truth_of(run: MicroRun, queries: tuple[Any, ...]) -> Truth:
    """Trains without every photo and every visit, at both small weights, and on keep lists."""
    study = run.study
    num_photos, rng = len(study.photo_ids), generator("micro keep lists", study.seed)
    is_kept_KP = rng.random((NUM_KEEP_LISTS, num_photos)) >= LEFT_OUT
    one_by_one = [leave_one_out(study, weight) for weight in (0.0, 1.0, SMALL_WEIGHT, -SMALL_WEIGHT)]
    weights = retrain(run, joined([*one_by_one, keep_lists(study, is_kept_KP)]))
    parts = np.split(losses_after(weights, study, queries), np.cumsum([len(part) for part in one_by_one]))
    effects = {"full": parts[1] - parts[0], "infinitesimal": (parts[2] - parts[3]) / (2 * SMALL_WEIGHT)}
    by_target = {
        (kind, target): np.ascontiguousarray(effect_KQ[columns].T)
        for kind, effect_KQ in effects.items()
        for target, columns in (("photos", slice(0, num_photos)), ("visits", slice(num_photos, None)))
    }
    return Truth(by_target, is_kept_KP, parts[4])


def _cell(folder: Path, seed: int, lr: float, steps: int, whole_grid: bool) -> pd.DataFrame:
    """The rows of one cell, from its file where it is finished."""
    path = folder / f"{'grid' if whole_grid else 'cell'}-seed{seed}-lr{lr:g}-steps{steps}.parquet"
    if path.exists():
        return pd.read_parquet(path)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as anchors:
        run = train(draw_study(seed), lr, steps, ANCHOR_EVERY, Path(anchors))
        queries = queries_of(run)
        if not whole_grid:
            queries = queries[: len(run.study.validation)]
        truth = truth_of(run, queries)
        methods = itertools.chain(our_scores(run, queries, whole_grid), neighbour_scores(run, queries))
        rows = [row for scores in methods for row in _rows(scores, truth, len(run.study.validation))]
    table = pd.DataFrame(rows).assign(seed=seed, lr=lr, steps=steps)
    write_whole(path, lambda beside: table.to_parquet(beside, index=False))
    print(f"{path.stem}: {time.perf_counter() - start:.0f} s", flush=True)
    return table


def _rows(scores: Scores, truth: Truth, num_visits: int) -> Iterator[dict[str, Any]]:
    """One method against every truth it can be compared with."""
    num_queries = len(truth.loss_KQ[0])
    whole, alone = slice(0, num_visits), slice(num_visits, num_queries)
    cases = [("visit", "visit", whole, whole)]
    if num_queries > num_visits:
        cases += [("photo", "photo", alone, alone), ("photo", "visit", alone, whole)]
    by_target = {"photos": scores.photo_QP, "visits": scores.visit_QV}
    for query, loss_of, said, true in cases:
        about = {"source": scores.source, "method": scores.method, "query": query, "loss_of": loss_of}
        about |= {"seconds": scores.seconds, "num_together": scores.num_together}  # type: ignore[dict-item]
        for (kind, target), effect_QZ in truth.effects.items():
            score_QZ = by_target[target]
            if score_QZ is not None:
                yield about | {
                    "truth": kind,
                    "target": target,
                    "spearman": mean_over_queries(spearman(score_QZ[said], effect_QZ[true])),
                    "overlap": mean_over_queries(harmful_overlap(score_QZ[said], effect_QZ[true])),
                }
        if scores.photo_QP is not None:
            foretold_Q = datamodel_score(scores.photo_QP[said], truth.is_kept_KP, truth.loss_KQ[:, true])
            rank = {"spearman": mean_over_queries(foretold_Q), "overlap": float("nan")}
            yield about | {"truth": "full", "target": "keep lists"} | rank


def main() -> None:
    """Computes, and prints the main figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--short", action="store_true", help="one seed of the main cell, in a folder that is thrown away"
    )
    parser.add_argument("--folder", type=Path, default=Path("work-truth-micro"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--lrs", type=float, nargs="+", default=list(LRS))
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--whole-grid", action="store_true", help="every defined combination, photo queries included")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.short:
        with tempfile.TemporaryDirectory() as folder:
            figures = micro_truth(Path(folder), [0], [MAIN_LR], [MAIN_STEPS])
    else:
        seeds = range(options.seeds)
        figures = micro_truth(options.folder, seeds, options.lrs, options.lengths, options.whole_grid)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
