"""Scores without gradients: what a look at the trained network's losses, features and attention already says."""

# Axes: Q queries, Z examples (photos or visits), P photos, V visits, N photos per visit (padded), C classes.

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.truth.micro.ground import Ground
from benchmarks.truth.micro.training import MicroRun
from grasp_psonet.chance import generator


def minus_loss(ground: Ground) -> Tensor:
    """A high loss is held to be harmful, whatever the query."""
    loss_Z = functional.cross_entropy(ground.logits(ground.examples)[0], ground.examples[2], reduction="none")
    return -loss_Z.repeat(len(ground.queries[2]), 1)


def margin_of(ground: Ground) -> Tensor:
    """Logit of the label less the highest other one, whatever the query."""
    logits_ZC, label_Z1 = ground.logits(ground.examples)[0], ground.examples[2][:, None]
    other_Z = logits_ZC.scatter(1, label_Z1, -torch.inf).amax(dim=1)
    return (logits_ZC.gather(1, label_Z1)[:, 0] - other_Z).repeat(len(ground.queries[2]), 1)


def nearest(ground: Ground) -> Tensor:
    """Cosine of the last layer's inputs, positive where the labels agree and negative where they differ."""
    features = [
        functional.normalize(ground.logits(side)[1][:, :-1], dim=1) for side in (ground.queries, ground.examples)
    ]
    return features[0] @ features[1].T * _agreement(ground)


def at_random(ground: Ground) -> Tensor:
    """Standard normal numbers."""
    shape = (len(ground.queries[2]), len(ground.examples[2]))
    return torch.from_numpy(generator("micro random scores", *shape).normal(size=shape))


def attention_of(run: MicroRun, ground: Ground, visit_of_P: np.ndarray) -> np.ndarray:
    """The attention that a photo gets in its visit [Q, P], positive where the labels agree and negative where they differ."""
    batch = run.study.batch(run.study.training)
    with torch.no_grad():
        attention_VN = run.network(batch.photos_BNCHW, batch.is_photo_BN).attention_BN
    attention_P = attention_VN[batch.is_photo_BN].numpy()
    score_QP: np.ndarray = attention_P * _agreement(ground).numpy()[:, visit_of_P]
    return score_QP


def _agreement(ground: Ground) -> Tensor:
    return torch.where(ground.queries[2][:, None] == ground.examples[2], 1.0, -1.0).double()
