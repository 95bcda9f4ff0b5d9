"""An encoder of real width at the size of photos it is meant for, through every stage that reads photos or weights.

ConvNeXt-Tiny with one block in each of its four stages in place of 3, 3, 9 and 3: every kind of layer at its real size. How it
fares at its whole depth `make bench-trace` measures. Retraining is the same training on fewer photos, and is left to the
small studies.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
import timm
from timm.models import register_model
from torch import nn

from grasp_psonet.cli import main

pytestmark = [pytest.mark.long, pytest.mark.real_size, pytest.mark.whole]


@register_model
def shallow_convnext_tiny(pretrained: bool = False, **arguments: object) -> nn.Module:
    """A model of timm's by this name, as its own are."""
    return timm.create_model("convnext_tiny", pretrained=pretrained, depths=(1, 1, 1, 1), **arguments)


def test_convnext_tiny_at_224_px_runs_through_the_whole_pipeline(tmp_path: Path) -> None:
    study = tmp_path / "study"
    sizes = {"edge_px": 224, "num_patients": 4, "num_visits": 5, "num_views": 1, "val_visits": 2, "test_visits": 1}
    words = [word for name, size in sizes.items() for word in (f"--cohort.{name}", str(size))]
    words += ["--network.encoder", "shallow_convnext_tiny", "--network.weights", "random", "--photos.edge_px", "224"]
    words += ["--train.epochs", "1", "--prune.k", "[]", "--evaluate.replicates", "10"]
    words += [
        "--explain.flagged",
        "0",
        "--explain.errors",
        "1",
        "--explain.random_orders",
        "0",
        "--machine.processes",
        "1",
        "--machine.threads",
        "1",
    ]
    words += ["--out_of_fold.folds", "2", "--out_of_fold.repeats", "1"]
    assert main(["demo", str(study), "--preset", "tiny", *words]) == 0
    counted = json.loads((study / "traces/cosine/coverage.json").read_text())
    metrics = json.loads((study / "runs/baseline/metrics.json").read_text())
    assert sum(counted.values()) == metrics["num_parameters"] > 7_900_000
    assert pd.read_parquet(study / "traces/cosine/scores.parquet")["score"].abs().min() > 0
    assert (study / "report/report.html").is_file()
