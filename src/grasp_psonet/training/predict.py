"""Predictions and attention of whole splits, as tables."""

# Axes: B bags, N photos per bag, C classes (in logits).

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from grasp_psonet.bags.bag import Bag, Pixels, collate
from grasp_psonet.network.loss import answer_of, loss_of
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.tables.columns import (
    ATTENDED_PHOTO_ID,
    ATTENTION,
    ATTENTION_LOGIT,
    LABEL,
    LOSS,
    PHOTO_ID,
    PREDICTED,
    VISIT_ID,
)


@torch.no_grad()
def predict_bags(network: BagNetwork, bags: Iterable[Bag], pixels: Pixels) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables, without augmentation.

    Predictions, one row per visit: visit_id, label, predicted, loss (against the label), the columns that the network's
    outcome names (of classes: p_* and logit_*), attended_photo_id (its most-attended present photo).

    Attention, one row per stored photo: visit_id, photo_id, attention, attention_logit (NaN where the photo was not read).
    """
    visits: list[dict[str, Any]] = []
    photos: dict[str, list[Any]] = {VISIT_ID: [], PHOTO_ID: [], ATTENTION: [], ATTENTION_LOGIT: []}
    device = next(network.parameters()).device
    for bag in bags:
        batch = collate([bag], pixels).to(device)
        output = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN)
        answer = answer_of(network, output.logits_BC[0].cpu())
        attention_N, logit_N = output.attention_BN[0].cpu(), output.attention_logit_BN[0].cpu()
        visits.append(
            {
                VISIT_ID: bag.visit_id,
                LABEL: bag.label,
                PREDICTED: answer.pop(PREDICTED),
                LOSS: float(loss_of(network)(output.logits_BC, batch.label_B)[0]),
                **answer,
                ATTENDED_PHOTO_ID: bag.photo_ids[int(attention_N.argmax())],
            }
        )
        photos[VISIT_ID] += [bag.visit_id] * len(bag)
        photos[PHOTO_ID] += bag.photo_ids
        photos[ATTENTION].append(attention_N.numpy())
        photos[ATTENTION_LOGIT].append(logit_N.masked_fill(logit_N.isinf(), torch.nan).numpy())
    joined = {column: np.concatenate(photos.pop(column)) for column in (ATTENTION, ATTENTION_LOGIT)}
    return pd.DataFrame(visits), pd.DataFrame(photos | joined)


@torch.no_grad()
def photo_losses(network: BagNetwork, bags: Iterable[Bag], pixels: Pixels, num_together: int) -> pd.DataFrame:
    """Loss of every present photo as a bag of its own, against its visit's label: photo_id, loss. So many in one pass."""
    device = next(network.parameters()).device
    alone = list(bags_of_photos(bags))
    losses: list[float] = []
    for start in range(0, len(alone), num_together):
        batch = collate(alone[start : start + num_together], pixels).to(device)
        output = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN)
        losses += loss_of(network)(output.logits_BC, batch.label_B).tolist()
    return pd.DataFrame({PHOTO_ID: [bag.photo_ids[0] for bag in alone], LOSS: losses})


def bags_of_photos(bags: Iterable[Bag]) -> Iterator[Bag]:
    """Every present photo as the bag that holds it alone."""
    for bag in bags:
        yield from bag.each_alone()
