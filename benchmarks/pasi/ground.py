"""The drawn cohorts of the benchmark, as studies of frozen features: photos and features are made once for all trainings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grasp_psonet.presets import preset
from grasp_psonet.settings import merged, parse
from grasp_psonet.stage import run_task
from grasp_psonet.stages.cohort import make_cohort
from grasp_psonet.stages.declared.tasks import features_task, prepare_tasks
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

Tree = dict[str, Any]
CLASSES: Tree = {"outcome": "classes"}
TOTAL: Tree = {"outcome": "pasi", "form": "total"}
REGIONAL: Tree = {"outcome": "pasi", "form": "regional"}
EDGES = {"efficientnet_lite0": 128, "demo_convnext": 64}  # px
_WEIGHTS = {"efficientnet_lite0": "packaged", "demo_convnext": "pretrained"}
# a head with a hidden layer and attention of its own; the preset small has neither
WIDE: Tree = {
    "network": {
        "projection": "linear",
        "feature_length": 64,
        "attention": "gated",
        "attention_hidden": 32,
        "head_hidden": 64,
    },
    "train": {"optimizer": {"lr": 1e-3}},
}


@dataclass(frozen=True)
class Ground:
    """The cohort of one seed in ``folder``, drawn as ``cohort`` says; its photos seen by a frozen ``encoder``."""

    folder: Path
    seed: int
    cohort: Tree
    encoder: str = "efficientnet_lite0"

    def job(self, severity: Tree, *others: Tree) -> Job:
        """The study with this outcome, under the preset small but for the encoder, and what ``others`` say."""
        edge_px = EDGES[self.encoder]
        own: Tree = {
            "seed": self.seed,
            "cohort_seed": self.seed,
            "cohort": self.cohort | {"edge_px": edge_px},
            "photos": {"edge_px": edge_px},
            "severity": severity,
            "network": {"encoder": self.encoder, "weights": _WEIGHTS[self.encoder]},
            "evaluate": {"training_seeds": 1},
            "machine": {"processes": 1, "device": "cpu"},
        }
        tree = merged(preset("small"), own)
        for other in others:
            tree = merged(tree, other)
        return Job(Study(self.folder), parse(tree, "the benchmark"))

    def make(self, severity: Tree) -> Job:
        """Draws the cohort (by region with its parts) and leaves the features, as far as they do not stand; its job."""
        job = self.job(severity)
        self.folder.mkdir(parents=True, exist_ok=True)
        make_cohort(job)
        for task in (*prepare_tasks(job), features_task(job)):
            run_task(task)
        return job
