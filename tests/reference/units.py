"""Photo units as they are defined: one whole gradient per photo and visit, a loop, nothing shared."""

from typing import Any

import torch
from torch import Tensor

from grasp_psonet.network.network import BagNetwork
from tests.reference.plain_loss import plain_loss
from tests.reference.regional import plain_pool


def gradient_of(
    network: BagNetwork,
    photos_NCHW: Tensor,
    is_photo_N: Tensor,
    is_stored_N: Tensor,
    label: Any,
    region_N: Tensor | None = None,
) -> dict[str, Tensor]:
    """Gradient of one visit's loss, zeros where a parameter is not reached."""
    region_1N = None if region_N is None else region_N[None]
    logits_1C = network(photos_NCHW[None], is_photo_N[None], is_stored_N[None], region_1N).logits_BC
    return _gradient(network, plain_loss(network, logits_1C[0], label))


def photo_gradients(network: BagNetwork, unit: str, batch: object) -> list[dict[str, Tensor]]:
    """Each present photo's gradient in this unit, visit by visit, photo by photo."""
    found = []
    for b in range(len(batch.label_B)):  # type: ignore[attr-defined]
        photos, there, stored, label, region = _visit(batch, b)
        whole = gradient_of(network, photos, there, stored, label, region)
        for n in there.nonzero().flatten().tolist():
            if unit == "single":
                one = torch.ones(1, dtype=torch.bool)
                found.append(gradient_of(network, photos[n : n + 1], one, one, label, _only(region, n)))
            elif unit == "share":
                found.append(share(network, photos, there, stored, label, region, n))
            elif unit == "visit":
                found.append(whole)
            else:
                rest = there.clone()
                rest[n] = False
                others = gradient_of(network, photos, rest, stored, label, region) if rest.any() else None
                found.append(dict(whole) if others is None else minus(whole, others))
    return found


def share(
    network: BagNetwork,
    photos_NCHW: Tensor,
    is_photo_N: Tensor,
    is_stored_N: Tensor,
    label: Any,
    region_N: Tensor | None,
    n: int,
) -> dict[str, Tensor]:
    """The visit's gradient with every photo but n, and the head, held constant; written without the network's pooling."""
    features, logits = [], []
    is_read_N = is_stored_N if network.masks_as_paper else is_photo_N
    for at in is_read_N.nonzero().flatten().tolist():
        feature_1D = network.features(photos_NCHW[at : at + 1])
        logit_1 = network.attention(feature_1D)
        features.append(feature_1D if at == n else feature_1D.detach())
        logits.append(logit_1 if at == n else logit_1.detach())
    head = {name: weight.detach() for name, weight in network.head.named_parameters()}
    if region_N is not None:
        regions, there = region_N[is_read_N].tolist(), is_photo_N[is_read_N].tolist()
        bag_1RD = plain_pool([one[0] for one in features], [one[0] for one in logits], there, regions)
        output_1C = torch.func.functional_call(network.head, head, (bag_1RD,))
        return _gradient(network, plain_loss(network, output_1C[0], label))
    weight_R = torch.cat(logits).exp() / torch.cat(logits).exp().sum()
    weight_R = weight_R * is_photo_N[is_read_N]
    bag_1D = (weight_R[:, None] * torch.cat(features)).sum(0, keepdim=True)
    output_1C = torch.func.functional_call(network.head, head, (bag_1D,))
    return _gradient(network, plain_loss(network, output_1C[0], label))


def visit_gradients(network: BagNetwork, batch: object, labels: list[int] | None = None) -> list[dict[str, Tensor]]:
    """Each visit's gradient, under its own label or those given."""
    found = []
    for b in range(len(batch.label_B)):  # type: ignore[attr-defined]
        photos, there, stored, label, region = _visit(batch, b)
        found.append(gradient_of(network, photos, there, stored, label if labels is None else labels[b], region))
    return found


def kept_alone(network: BagNetwork, batch: object) -> list[dict[str, Tensor]]:
    """Each present photo's visit with this photo alone present, the others stored."""
    found = []
    for b in range(len(batch.label_B)):  # type: ignore[attr-defined]
        photos, there, stored, label, region = _visit(batch, b)
        for n in there.nonzero().flatten().tolist():
            one = torch.zeros_like(there)
            one[n] = True
            found.append(gradient_of(network, photos, one, stored, label, region))
    return found


def minus(one: dict[str, Tensor], two: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: one[name] - two[name] for name in one}


def dots(gradients: list[dict[str, Tensor]], directions: dict[str, Tensor]) -> Tensor:
    """[rows, Q]."""
    return torch.stack(
        [
            sum((directions[name].flatten(1) @ g[name].flatten() for name in directions), torch.zeros(()))
            for g in gradients
        ]
    )


def squares(gradients: list[dict[str, Tensor]], preconditioners: dict[str, Tensor]) -> Tensor:
    """[rows, M]."""
    return dots([{name: value.square() for name, value in g.items()} for g in gradients], preconditioners)


def _visit(batch: Any, b: int) -> tuple[Tensor, Tensor, Tensor, Any, Tensor | None]:
    region_N = None if batch.region_BN is None else batch.region_BN[b]
    return batch.photos_BNCHW[b], batch.is_photo_BN[b], batch.is_stored_BN[b], batch.label_B[b].tolist(), region_N


def _only(region_N: Tensor | None, n: int) -> Tensor | None:
    return None if region_N is None else region_N[n : n + 1]


def _gradient(network: BagNetwork, loss: Tensor) -> dict[str, Tensor]:
    parameters = dict(network.named_parameters())
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, found, strict=True))
