"""A short recorded training of the tiny float64 network, with everything that a step can hold, and its trace."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag, collate
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.influence.formulas import FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.trace import Traced, trace
from grasp_psonet.influence.units.table import cover_unit
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.adam import AdamState, learning_rate
from grasp_psonet.trajectory.anchors import start_anchor, weights_of, write_anchor
from grasp_psonet.trajectory.records import step_rows
from grasp_psonet.trajectory.replay import Rebuild
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.step import train_step
from grasp_psonet.trajectory.trajectory import Replaying, Trajectory
from tests.tiny_study import rebuild_of, tiny_bags, tiny_network

# moments short and eps large enough that no term of the step's derivative vanishes; about half of the steps are clipped
OPTIMIZER = OptimizerSettings(
    lr=3e-2, betas=(0.8, 0.9), eps=2e-2, weight_decay=0.1, schedule="cosine", warmup_steps=2, clip_norm=1.0
)
NUM_STEPS, KEPT_STEP, ANCHORS = 9, 7, (3, 7, 9)


@dataclass
class TinyRun:
    """Nine steps of two draws (the last of each epoch has one), anchors after steps 3, 7 and 9, kept after step 7.

    Visits v0 to v4 are drawn with replacement; v5 is in no batch; v6 and v7 are queries.
    """

    bags: dict[str, Bag]
    pixels: np.ndarray
    rebuild: Rebuild
    replaying: Replaying
    trajectory: Trajectory

    @classmethod
    def train(cls, folder: Path, optimizer: OptimizerSettings = OPTIMIZER) -> "TinyRun":
        bags, pixels = tiny_bags(8)
        rebuild = rebuild_of(bags, pixels)
        network = tiny_network()
        replaying = Replaying(rebuild, start_anchor(network))
        plan = batch_plan({f"v{v}": bags[f"v{v}"].label for v in range(5)}, 3, 2, "class_weighted", 19)
        state = AdamState.at_start(weights_of(network))
        rows = []
        for _, draws in plan.groupby("step"):
            lr = learning_rate(optimizer, state.step + 1, NUM_STEPS)
            batch = rebuild.batch(draws, next(network.parameters()).device)
            outcome = train_step(network, batch, state, optimizer, lr)
            rows.append(step_rows(draws, batch.label_B.tolist(), outcome, lr))
            if state.step in ANCHORS:
                write_anchor(folder, network, state, 1, lr, "all")
        steps = pd.concat(rows, ignore_index=True)
        return cls(bags, pixels, rebuild, replaying, Trajectory(folder, steps, KEPT_STEP, optimizer))

    @property
    def visits(self) -> list[Bag]:
        return [self.bags[f"v{v}"] for v in range(6)]

    def queries(self, kind: str) -> list[Bag]:
        whole = [self.bags[name] for name in ("v6", "v7")]
        return whole if kind == "visit" else [bag.only(bag.photo_ids[-1]) for bag in whole]

    def network(self) -> BagNetwork:
        """The network as it stood before step 1."""
        return tiny_network()

    def trace(self, settings: TraceSettings, formulas: tuple[FormulaName, ...] | None = None) -> Traced:
        network = self.network()
        coverage = cover_unit(settings.unit, network, collate(self.visits[:3], self.pixels), settings.parameters)
        return trace(
            network,
            self.trajectory,
            self.visits,
            self.queries(settings.query),
            self.pixels,
            settings,
            coverage,
            formulas=formulas,
            replaying=self.replaying,
        )
