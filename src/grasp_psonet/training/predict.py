"""Predictions and attention of whole splits, as tables."""

# Axes: B bags, N photos per bag, C classes (in logits).

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

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
_MOST_KEPT = (
    20_000  # features of the visits that validate, for them to stay in memory beside the store: 100 MB of 1,280 numbers
)


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
    for together, batch in _collated(network, bags, pixels):
        output = _output(network, batch)
        attention_BN, logit_BN = output.attention_BN.cpu(), output.attention_logit_BN.cpu()
        for b, (bag, row) in enumerate(zip(together, _rows_of(network, together, batch, output), strict=True)):
            attention_N, logit_N = attention_BN[b, : len(bag)], logit_BN[b, : len(bag)]
            place = int(attention_N.argmax()) if network.attends else _agreeing(network, batch, b, row[PREDICTED])
            visits.append(row | {ATTENDED_PHOTO_ID: bag.photo_ids[place]})
            photos[VISIT_ID] += [bag.visit_id] * len(bag)
            photos[PHOTO_ID] += bag.photo_ids
            photos[ATTENTION].append(attention_N.numpy())
            photos[ATTENTION_LOGIT].append(logit_N.masked_fill(logit_N.isinf(), torch.nan).numpy())
    joined = {column: np.concatenate(photos.pop(column)) for column in (ATTENTION, ATTENTION_LOGIT)}
    return pd.DataFrame(visits), pd.DataFrame(photos | joined)


def predict_visits(network: BagNetwork, bags: Iterable[Bag], pixels: Pixels) -> pd.DataFrame:
    """The predictions of ``predict_bags`` without the photo."""
    return _predicted(network, _collated(network, bags, pixels))


def epoch_predictions(
    network: BagNetwork, bags: Sequence[Bag], pixels_in: Callable[[int], Pixels]
) -> Callable[[int], pd.DataFrame]:
    """``predict_visits`` after each epoch (from 1), whose photos ``pixels_in`` gives: features of few visits are put together
    once and kept.
    """
    if network.encoder is not None or sum(map(len, bags)) > _MOST_KEPT:
        return lambda epoch: predict_visits(network, bags, pixels_in(epoch))
    kept = list(_collated(network, bags, pixels_in(1)))
    return lambda epoch: _predicted(network, kept)


@torch.no_grad()
def _predicted(network: BagNetwork, batches: Iterable[tuple[list[Bag], BagBatch]]) -> pd.DataFrame:
    told = ((bags, batch, _output(network, batch)) for bags, batch in batches)
    return pd.DataFrame([row for one in told for row in _rows_of(network, *one)])


def _output(network: BagNetwork, batch: BagBatch) -> BagOutput:
    output: BagOutput = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.region_BN)
    return output


def _collated(network: BagNetwork, bags: Iterable[Bag], pixels: Pixels) -> Iterator[tuple[list[Bag], BagBatch]]:
    """The batches that are read: visit by visit; where the network reads features, several visits in a pass."""
    device = next(network.parameters()).device
    for together in _passes(bags, 0 if network.encoder is not None else _MOST_VECTORS):
        yield together, collate(together, pixels).to(device)


def _passes(bags: Iterable[Bag], most: int) -> Iterator[list[Bag]]:
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


def _agreeing(network: BagNetwork, batch: BagBatch, b: int, predicted: int | float) -> int:
    """The place in its bag, the b-th of the batch, of the photo whose own loss against the predicted label is least."""
    rows = batch.is_photo_BN[b].nonzero().flatten()
    is_there_M1 = torch.ones_like(rows, dtype=torch.bool)[:, None]
    region_M1 = None if batch.region_BN is None else batch.region_BN[b][rows][:, None]
    logits_MC = network(batch.photos_BNCHW[b][rows][:, None], is_there_M1, is_there_M1, region_M1).logits_BC
    loss_M = loss_of(network)(logits_MC, batch.label_B.new_full((len(rows),), predicted))
    return int(rows[loss_M.argmin()])


@torch.no_grad()
def photo_losses(network: BagNetwork, bags: Iterable[Bag], pixels: Pixels, num_together: int) -> pd.DataFrame:
    """Loss of every present photo as a bag of its own, against its visit's label: photo_id, loss. So many in one pass."""
    device = next(network.parameters()).device
    alone = list(bags_of_photos(bags))
    losses: list[float] = []
    for start in range(0, len(alone), num_together):
        batch = collate(alone[start : start + num_together], pixels).to(device)
        output = network(batch.photos_BNCHW, batch.is_photo_BN, batch.is_stored_BN, batch.region_BN)
        losses += loss_of(network)(output.logits_BC, batch.label_B).tolist()
    return pd.DataFrame({PHOTO_ID: [bag.photo_ids[0] for bag in alone], LOSS: losses})


def bags_of_photos(bags: Iterable[Bag]) -> Iterator[Bag]:
    """Every present photo as the bag that holds it alone."""
    for bag in bags:
        yield from bag.each_alone()
