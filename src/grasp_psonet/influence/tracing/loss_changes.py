"""What if a training photo had been removed or kept alone, or a visit relabelled: the predicted change of each query's loss.

At an anchor, ``direction . (gradient of a visit as it is - gradient of it edited)`` is to first order how much more the
query's loss would have risen in a step with the edited visit. Weighted with the visit's draws and summed over anchors, as
scores are: positive = the query's loss is predicted to rise, negative = to fall.
"""

# Axes: Q queries, Z training photos, V training visits, C classes, P present photos of one batch, B its visits.

import numpy as np
import torch
from torch import nn

from grasp_psonet.bags.bag import collate
from grasp_psonet.influence.tracing.at_anchors import at_anchor
from grasp_psonet.influence.tracing.request import Request
from grasp_psonet.influence.units.bag_edits import LossChanges, loss_changes
from grasp_psonet.trajectory.logits import logits_of
from grasp_psonet.trajectory.trained_network import TrainedNetwork


def predicted_changes(trained: TrainedNetwork, request: Request) -> LossChanges:
    """Changes for every present photo, and every visit under each class, by the request's one formula; visits never drawn: 0.

    The formula must be a change of a loss at anchors (``Formula.is_loss_change_at_anchors``). The network must offer its
    parts and holds the weights of the last anchor afterwards.
    """
    (formula,) = request.formulas
    shape = (request.num_rows, len(request.photo_ids))
    row_of = {bag.visit_id: v for v, bag in enumerate(request.visits)}
    removed_QZ, alone_QZ = np.zeros(shape), np.zeros(shape)
    relabelled_QVC = np.zeros((request.num_rows, len(row_of), _num_classes(trained.network, request)))
    for before, step in trained.windows():
        for block, weighed in at_anchor(trained, before, step, request):
            found = loss_changes(trained.network, weighed.batch, block.directions[formula.name])
            weight_B = weighed.weight_B[formula.is_divided_by_batch]
            weight_P = weighed.of_photos(formula.is_divided_by_batch)
            columns = [request.column[photo_id] for photo_id in weighed.photo_ids]
            removed_QZ[block.rows, columns] += weight_P * found.removed_QP
            alone_QZ[block.rows, columns] += weight_P * found.alone_QP
            visits = [row_of[bag.visit_id] for bag in weighed.bags]
            relabelled_QVC[block.rows, visits] += weight_B[:, None] * found.relabelled_QBC
    return LossChanges(removed_QZ, alone_QZ, relabelled_QVC)


def _num_classes(network: nn.Module, request: Request) -> int:
    batch = collate([request.visits[0]], request.pixels).to(next(network.parameters()).device)
    with torch.no_grad():
        return logits_of(network, batch).shape[1]
