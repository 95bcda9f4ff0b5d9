"""Step records: for every draw of every step its visit, logits and loss; for every step its lr and gradient norm."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from grasp_psonet.trajectory.step import StepOutcome


def step_rows(
    draws: pd.DataFrame, labels: list[int], outcome: StepOutcome, lr: float, output_columns: Sequence[str]
) -> pd.DataFrame:
    """One row per draw of a step; ``draws`` are the step's rows of the batch plan, ``output_columns`` name the outputs."""
    logits = pd.DataFrame(outcome.logits_BC.cpu().numpy(), columns=list(output_columns), index=draws.index)
    return draws.assign(label=labels, loss=outcome.loss_B.cpu().numpy(), lr=lr, grad_norm=outcome.grad_norm).join(
        logits
    )


def epoch_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:05d}.parquet"


def recorded_epochs(folder: Path) -> list[int]:
    """The epochs whose step records were written, rising."""
    return sorted(int(path.stem.removeprefix("epoch-")) for path in folder.glob("epoch-*.parquet"))


def visit_weights(steps: pd.DataFrame, after: int, until: int, divided: bool) -> dict[str, float]:
    """By visit: sum of ``lr_t n_t / b_t`` over the steps after ``after`` up to ``until`` (without ``/ b_t`` if not divided).

    ``n_t`` counts the visit's draws in step t and b_t all draws of that step. Visits not drawn are left out: they weigh
    exactly 0.
    """
    window = steps[(steps["step"] > after) & (steps["step"] <= until)]
    size = window.groupby("step")["visit_id"].transform("size") if divided else 1
    share = window["lr"] / size
    return {str(visit_id): float(total) for visit_id, total in share.groupby(window["visit_id"]).sum().items()}


def even_weights(
    steps: pd.DataFrame, after: int, until: int, divided: bool, visit_ids: Collection[str]
) -> dict[str, float]:
    """The same sum shared out evenly: what each of these visits would weigh, had all been drawn equally often.

    It leaves out the chance of the draw: which visits training happened to see says nothing about which photos
    the next training should do without.
    """
    total = sum(visit_weights(steps, after, until, divided).values())
    return dict.fromkeys(visit_ids, total / len(visit_ids)) if visit_ids else {}
