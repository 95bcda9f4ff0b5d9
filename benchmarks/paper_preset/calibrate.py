"""A few steps of the real training before it starts: how long an epoch takes here, and what it waits for."""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.bags.plan import batch_plan
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.stages.declared.declaring import needs_of
from grasp_psonet.stages.declared.needs import TrainNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.run import RunInputs
from grasp_psonet.training.law import parameter_groups
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.adam import AdamState
from grasp_psonet.trajectory.anchors import anchor_of, weights_of, write_anchor
from grasp_psonet.trajectory.law import AdamLaw
from grasp_psonet.trajectory.machine import use_machine
from grasp_psonet.trajectory.step import train_step

log = logging.getLogger("grasp_psonet")

_WARM_UP, _STEPS = 2, 8
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Calibration:
    """Medians in seconds: of a step its batch built on the CPU, moved, and trained on; one visit predicted; one anchor.

    ``variant_step_s`` is the training of the same batch in ways that the product does not use (GPU only).
    """

    build_batch_s: float
    move_batch_s: float
    step_s: float
    predict_visit_s: float
    write_anchor_s: float
    photos_per_step: float
    steps_per_epoch: int
    num_val_visits: int
    num_visits: int
    variant_step_s: dict[str, float | None]
    peak_gpu_gib: float

    @property
    def epoch_s(self) -> float:
        """One epoch with its validation and anchor."""
        of_step = self.build_batch_s + self.move_batch_s + self.step_s
        return self.steps_per_epoch * of_step + self.num_val_visits * self.predict_visit_s + self.write_anchor_s

    @property
    def rest_s(self) -> float:
        """What a training does after its last epoch: every visit predicted."""
        return self.num_visits * self.predict_visit_s

    def epochs_within(self, seconds: float) -> int:
        """Epochs of one training that fit, at least 1."""
        return max(1, int((seconds - self.rest_s) / self.epoch_s))

    def as_figures(self) -> dict[str, Any]:
        """For the result file."""
        return asdict(self) | {"epoch_s": self.epoch_s}


def calibrate(job: Job) -> Calibration:
    """Trains a network that is thrown away on the first steps of the plan. ``job`` has its store."""
    settings = job.settings
    device = use_machine(settings.machine.device, settings.machine.threads)
    inputs = RunInputs(job.study, needs_of(TrainNeeds, settings), job.cohort)
    source, network = inputs.source, inputs.start_network().to(device)
    plan = batch_plan(source.labels, 1, settings.train.visits_per_step, settings.train.sampling, settings.seed)
    state = AdamState.at_start(weights_of(network))
    train = _trainer(job, network, state)
    seconds: list[tuple[float, float, float]] = []
    num_photos = []
    for _, draws in list(plan.groupby("step"))[: _WARM_UP + _STEPS]:
        start = time.perf_counter()
        batch = source.batch(draws, _CPU)
        built = time.perf_counter()
        moved = batch.to(device)
        arrived = _now(device)
        train(moved)
        seconds.append((built - start, arrived - built, _now(device) - arrived))
        num_photos.append(int(moved.is_stored_BN.sum()))
    build_s, move_s, step_s = (statistics.median(column) for column in zip(*seconds[_WARM_UP:], strict=True))
    val_bags = inputs.bags("val")
    with tempfile.TemporaryDirectory(dir=job.study.folder) as folder:
        anchor_s = _seconds(device, lambda: write_anchor(Path(folder), anchor_of(network, state)), 1)
    return Calibration(
        build_s,
        move_s,
        step_s,
        _seconds(device, lambda: predict_bags(network, val_bags[:2], source.pixels)) / len(val_bags[:2]),
        anchor_s,
        statistics.mean(num_photos),
        int(plan["step"].max()),
        len(val_bags),
        len(job.cohort.visits),
        {} if device.type == "cpu" else _variants(device, train, moved),
        0.0 if device.type == "cpu" else torch.cuda.max_memory_allocated() / 2**30,
    )


def _trainer(job: Job, network: BagNetwork, state: AdamState) -> Callable[[BagBatch], object]:
    optimizer = job.settings.train.optimizer
    law = AdamLaw.of(optimizer, parameter_groups(network, optimizer))
    return lambda batch: train_step(network, batch, state, law, optimizer.lr)


def _variants(device: torch.device, train: Callable[[BagBatch], object], batch: BagBatch) -> dict[str, float | None]:
    """Seconds of a step as the product does it, with photos plane by plane in memory, TF32 products, or without cuDNN."""
    planes = replace(batch, photos_BNCHW=batch.photos_BNCHW.contiguous())
    found = {"as it is": _tried(device, lambda: train(batch)), "planes": _tried(device, lambda: train(planes))}
    with _tf32():
        found["TF32"] = _tried(device, lambda: train(batch))
    with torch.backends.cudnn.flags(enabled=False, allow_tf32=False):
        found["without cuDNN"] = _tried(device, lambda: train(batch))
    return found


def _tried(device: torch.device, work: Callable[[], object]) -> float | None:
    """Seconds, or None where a library refuses or memory does not suffice: a variant must not end the study."""
    try:
        return _seconds(device, work)
    except RuntimeError as fault:
        log.info("  a variant cannot be timed: %s", str(fault).partition("\n")[0])
        return None


@contextmanager
def _tf32() -> Iterator[None]:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def _seconds(device: torch.device, work: Callable[[], object], warm_up: int = 1, times: int = 3) -> float:
    """Median of some calls after some that do not count."""
    found = []
    for turn in range(warm_up + times):
        start = _now(device)
        work()
        if turn >= warm_up:
            found.append(_now(device) - start)
    return statistics.median(found)


def _now(device: torch.device) -> float:
    """The clock once all that the device was given is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
