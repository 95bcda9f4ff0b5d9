"""A short recorded training of the tiny float64 network, with everything that a step can hold, and its trace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from grasp_psonet.bags.bag import Bag, BagBatch, Pixels, collate
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.request import Queries, Request
from grasp_psonet.influence.tracing.trace import Traced, trace
from grasp_psonet.influence.units.table import cover_unit
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import Anchor, start_anchor, trained_weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.loop import recorded_steps
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from grasp_psonet.trajectory.trajectory import Trajectory
from tests.tiny_study import tiny_bags, tiny_network, tiny_source

# moments short and eps large enough that no term of the step's derivative vanishes; about half of the steps are clipped
OPTIMIZER = OptimizerSettings(
    lr=3e-2, betas=(0.8, 0.9), eps=2e-2, weight_decay=0.1, schedule="cosine", warmup_steps=2, clip_norm=1.0
)
KEPT_STEP, ANCHORS = 7, (3, 7, 9)


@dataclass
class TinyRun:
    """Nine steps of two draws (the last of each epoch has one), anchors after steps 3, 7 and 9, kept after step 7.

    Visits v0 to v4 are drawn with replacement; v5 is in no batch; v6 and v7 are queries.
    """

    bags: dict[str, Bag]
    pixels: Pixels
    source: BatchSource
    start: Anchor
    trajectory: Trajectory
    tolerance: float = 0.0
    make_network: Callable[[], BagNetwork] = tiny_network
    drawn: dict[tuple, tuple[BatchSource, BagBatch]] = field(default_factory=dict)  # kept by the reference of training

    @classmethod
    def train(
        cls,
        folder: Path,
        law: AdamLaw | None = None,
        make_network: Callable[[], BagNetwork] = tiny_network,
        source: BatchSource | None = None,
    ) -> "TinyRun":
        """By default of the tiny network that reads augmented photos; ``source`` holds bags v0 to v7."""
        source = source or tiny_source(*tiny_bags(8))
        bags = dict(source.bags)
        network = make_network()
        start, law = start_anchor(network), law or AdamLaw.of(OPTIMIZER)
        plan = batch_plan({f"v{v}": bags[f"v{v}"].label for v in range(5)}, 3, 2, "class_weighted", 19)
        rows = []
        for step in recorded_steps(network, plan, source, law, AdamState.at_start(trained_weights_of(network))):
            rows.append(step.rows())
            if step.step in ANCHORS:
                write_anchor(folder, step.anchor(network))
        steps = pd.concat(rows, ignore_index=True)
        trajectory = Trajectory(folder, steps, KEPT_STEP, law)
        return cls(bags, source.pixels, source, start, trajectory, make_network=make_network)

    @property
    def visits(self) -> list[Bag]:
        return [self.bags[f"v{v}"] for v in range(6)]

    def queries(self, kind: str) -> list[Bag]:
        whole = [self.bags[name] for name in ("v6", "v7")]
        return whole if kind == "visit" else [bag.only(bag.photo_ids[-1]) for bag in whole]

    def network(self) -> BagNetwork:
        """The network as it stood before step 1."""
        return self.make_network()

    def trained(self) -> TrainedNetwork:
        """A network of its own with the trajectory and what replays it."""
        return TrainedNetwork(self.network(), self.trajectory, self.source, self.start, self.tolerance)

    def request(
        self,
        settings: TraceSettings,
        formulas: Sequence[FormulaName] | None = None,
        visits: Sequence[Bag] | None = None,
        queries: Queries | None = None,
    ) -> Request:
        """By default every visit and query of the run, and the formula of the settings."""
        coverage = cover_unit(settings.unit, self.network(), collate(self.visits[:3], self.pixels), settings.parameters)
        wanted = tuple(FORMULAS[name] for name in formulas or (settings.formula,))
        asked = self.queries(settings.query) if queries is None else queries
        return Request(tuple(visits or self.visits), asked, self.pixels, wanted, settings, coverage)

    def trace(self, settings: TraceSettings, formulas: Sequence[FormulaName] | None = None) -> Traced:
        return trace(self.trained(), self.request(settings, formulas))
