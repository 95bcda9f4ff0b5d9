"""Predictions and attention of whole splits, as tables."""

# Axes: B bags, N photos per bag, C classes (in logits).

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from grasp_psonet.bags.bag import Bag, BagBatch, Pixels, collate
from grasp_psonet.network.loss import answer_of, loss_of
from grasp_psonet.network.network import BagNetwork, BagOutput
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

_MOST_VECTORS = 2048  # features read in one pass, padding included


@torch.no_grad()
def predict_bags(network: BagNetwork, bags: Iterable[Bag], pixels: Pixels) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables, without augmentation.

    Predictions, one row per visit: visit_id, label, predicted, loss (against the label), the columns that the network's
    outcome names (of classes: p_* and logit_*), attended_photo_id (its most-attended present photo; where all photos are
    attended to alike, the one that alone agrees best with what is predicted of the visit).

    Attention, one row per stored photo: visit_id, photo_id, attention, attention_logit (NaN where the photo was not read).
    """
    visits: list[dict[str, Any]] = []
    photos: dict[str, list[Any]] = {VISIT_ID: [], PHOTO_ID: [], ATTENTION: [], ATTENTION_LOGIT: []}
    device = next(network.parameters()).device
    for bag in bags:
        batch = collate([bag], pixels).to(device)
        output = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN)
        (row,) = _rows_of(network, [bag], batch, output)
        attention_N, logit_N = output.attention_BN[0].cpu(), output.attention_logit_BN[0].cpu()
        visits.append(row | {ATTENDED_PHOTO_ID: bag.photo_ids[_attended(network, batch, attention_N, row[PREDICTED])]})
        photos[VISIT_ID] += [bag.visit_id] * len(bag)
        photos[PHOTO_ID] += bag.photo_ids
        photos[ATTENTION].append(attention_N.numpy())
        photos[ATTENTION_LOGIT].append(logit_N.masked_fill(logit_N.isinf(), torch.nan).numpy())
    joined = {column: np.concatenate(photos.pop(column)) for column in (ATTENTION, ATTENTION_LOGIT)}
    return pd.DataFrame(visits), pd.DataFrame(photos | joined)


@torch.no_grad()
def predict_visits(network: BagNetwork, bags: Sequence[Bag], pixels: Pixels) -> pd.DataFrame:
    """The predictions of ``predict_bags`` without the photo; of a network that reads features, several visits in a pass."""
    device = next(network.parameters()).device
    visits: list[dict[str, Any]] = []
    for together in _passes(bags, 0 if network.encoder is not None else _MOST_VECTORS):
        batch = collate(together, pixels).to(device)
        output = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN)
        visits += _rows_of(network, together, batch, output)
    return pd.DataFrame(visits)


def _passes(bags: Sequence[Bag], most: int) -> Iterator[list[Bag]]:
    """The bags in their order, as many together as make no more than ``most`` places; a larger one alone."""
    together: list[Bag] = []
    for bag in bags:
        if together and max(map(len, [*together, bag])) * (len(together) + 1) > most:
            yield together
            together = []
        together.append(bag)
    if together:
        yield together


def _rows_of(network: BagNetwork, bags: Sequence[Bag], batch: BagBatch, output: BagOutput) -> list[dict[str, Any]]:
    """A row of predictions per bag of the batch."""
    loss_B, logits_BC, rows = loss_of(network)(output.logits_BC, batch.label_B).tolist(), output.logits_BC.cpu(), []
    for bag, loss, logits_C in zip(bags, loss_B, logits_BC, strict=True):
        answer = answer_of(network, logits_C)
        predicted = answer.pop(PREDICTED)
        rows.append({VISIT_ID: bag.visit_id, LABEL: bag.label, PREDICTED: predicted, LOSS: loss, **answer})
    return rows


def _attended(network: BagNetwork, batch: BagBatch, attention_N: Tensor, predicted: int | float) -> int:
    """The place in its bag of the most-attended photo; with equal attention, of that whose own loss against the predicted
    label is least.
    """
    if network.attends:
        return int(attention_N.argmax())
    rows = batch.is_photo_BN[0].nonzero().flatten()
    is_there_M1 = torch.ones_like(rows, dtype=torch.bool)[:, None]
    logits_MC = network(batch.photos_BNCHW[0][rows][:, None], is_there_M1).logits_BC
    loss_M = loss_of(network)(logits_MC, torch.full_like(batch.label_B, predicted).expand(len(rows)))
    return int(rows[loss_M.argmin()])


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
