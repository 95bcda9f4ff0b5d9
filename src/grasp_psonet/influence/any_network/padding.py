"""Networks that read what stands behind the photos of a padded bag: what a trace may say of them."""

# Axes: B bags.

from dataclasses import replace

import torch
from torch import nn

from grasp_psonet.bags.source import BatchSource
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.gradients.coverage import tolerance_of
from grasp_psonet.tables.columns import PADDED_TO, STEP, VISIT_ID
from grasp_psonet.trajectory.logits import logits_of
from grasp_psonet.trajectory.trajectory import Trajectory

MOST_BAGS = 8  # padded ones of the recording on which it is tried


@torch.no_grad()
def padding_caveats(network: nn.Module, trajectory: Trajectory, source: BatchSource, unit: UnitName) -> tuple[str, ...]:
    """What must be said of a network whose outputs depend on the padding that training gave its bags; nothing of others.

    Tried at the weights that the network holds, on padded draws of the recording. Unit single takes photos by themselves,
    which no padding surrounds. Raises TraceError for the other units: they take bags without padding, which training never
    saw.
    """
    steps = trajectory.steps
    if PADDED_TO not in steps:
        return ()
    drawn = steps[steps[VISIT_ID].isin(source.bags.keys()) & (steps[STEP] <= trajectory.kept_step)]
    count = drawn[VISIT_ID].map({visit_id: len(bag) for visit_id, bag in source.bags.items()})
    padded = drawn[drawn[PADDED_TO] > count].drop_duplicates(VISIT_ID).head(MOST_BAGS)
    if padded.empty:
        return ()
    weight = next(network.parameters())
    batch = source.batch(padded, weight.device)
    batch = replace(batch, photos_BNCHW=batch.photos_BNCHW.to(weight.dtype))
    as_trained_B, plain_B = logits_of(network, batch), logits_of(network, replace(batch, padded_to_B=None))
    rounding = tolerance_of(weight.dtype) * max(float(plain_B.abs().max()), 1.0)
    apart_B = (as_trained_B - plain_B).abs().reshape(len(padded), -1).amax(1)
    apart = float(apart_B.max())
    if apart <= rounding:
        return ()
    bag = str(padded[VISIT_ID].iloc[int(apart_B.argmax())])
    told = (
        f"{type(network).__name__} reads padding: its outputs for bag {bag!r} differ by {apart:.3g} with the padding that "
        "training gave it and without"
    )
    if unit != "single":
        raise TraceError(
            f"unit {unit} takes bags without padding, and {told}\n"
            "  next: unit single; or train bag by bag, or in batches of equally many photos"
        )
    return (
        f"{told}; steps are replayed with it, while photos and queries are taken without: an answer for a bag of several "
        "photos is of the batch that it is asked in",
    )
