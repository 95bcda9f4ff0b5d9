"""The paper preset as a study of this machine: its settings, and where its encoder starts."""

from math import ceil
from typing import Any

import timm
import torch
from safetensors.torch import save_file

from benchmarks.paper_preset.options import RANDOM, Request
from grasp_psonet.chance import seed_of
from grasp_psonet.files import write_whole
from grasp_psonet.presets import preset
from grasp_psonet.settings import merged, parse
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

START = "start.safetensors"
# timm starts ConvNeXt's layer scale at 1e-6, with which training from random weights stands still for many epochs
_LAYER_SCALE = 0.1
_GPU_TRACE = {"memory_mib": 24 * 1024, "photos_per_batch": 96}  # all queries in one pass; about 10 GiB of activations
_SMALL: dict[str, Any] = {
    "cohort": {"num_patients": 18, "num_visits": 36, "num_views": 4, "edge_px": 32, "val_visits": 9, "test_visits": 9},
    "photos": {"edge_px": 32},
    "network": {"encoder": "test_convnext", "feature_length": 32, "attention_hidden": 16, "head_hidden": 16},
    "evaluate": {"replicates": 50},
    "out_of_fold": {"folds": 2, "repeats": 1},
}


def job_of(request: Request, epochs: int) -> Job:
    """The study with so many epochs; everything but the choices and the machine is the preset's."""
    choices = request.choices
    own: dict[str, Any] = {
        "machine": {"device": choices.device, "threads": choices.threads, "processes": request.processes},
        "network": {"weights": START if choices.weights == RANDOM else choices.weights},
        "train": {
            "epochs": epochs,
            "anchor_every": ceil(epochs / choices.anchors),
            "optimizer": {"lr": choices.lr},
        },
        "trace": _GPU_TRACE if choices.device == "cuda" else {},
        "prune": {"k": [choices.k], "controls": []},
    }
    tree = merged(preset("paper"), _SMALL if choices.is_small else {})
    return Job(Study(request.folder), parse(merged(tree, own), "the benchmark"))


def write_start(job: Job) -> None:
    """Random encoder weights, the same for every call, where the study starts from such and they are not there yet."""
    settings = job.settings
    path = job.study.folder / settings.network.weights
    if settings.network.weights != START or path.exists():
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("weights", settings.seed) % 2**63)
        encoder = timm.create_model(settings.network.encoder, num_classes=0, ls_init_value=_LAYER_SCALE)
    weights = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    write_whole(path, lambda beside: save_file(weights, beside))
