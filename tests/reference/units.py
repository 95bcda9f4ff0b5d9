"""Photo units as they are defined: one whole gradient per photo and visit, a loop, nothing shared."""

import torch
from torch import Tensor

from grasp_psonet.network.network import BagNetwork
from tests.reference.plain_loss import plain_loss


def gradient_of(
    network: BagNetwork, photos_NCHW: Tensor, is_photo_N: Tensor, is_stored_N: Tensor, label: float
) -> dict[str, Tensor]:
    """Gradient of one visit's loss, zeros where a parameter is not reached."""
    logits_1C = network(photos_NCHW[None], is_photo_N[None], is_stored_N[None]).logits_BC
    return _gradient(network, plain_loss(network, logits_1C[0], label))


def photo_gradients(network: BagNetwork, unit: str, batch: object) -> list[dict[str, Tensor]]:
    """Each present photo's gradient in this unit, visit by visit, photo by photo."""
    found = []
    for b in range(len(batch.label_B)):  # type: ignore[attr-defined]
        photos, there, stored, label = _visit(batch, b)
        whole = gradient_of(network, photos, there, stored, label)
        for n in there.nonzero().flatten().tolist():
            if unit == "single":
                one = torch.ones(1, dtype=torch.bool)
                found.append(gradient_of(network, photos[n : n + 1], one, one, label))
            elif unit == "share":
                found.append(share(network, photos, there, stored, label, n))
            elif unit == "visit":
                found.append(whole)
            else:
                rest = there.clone()
                rest[n] = False
                found.append(
                    minus(whole, gradient_of(network, photos, rest, stored, label)) if rest.any() else dict(whole)
                )
    return found


def share(
    network: BagNetwork, photos_NCHW: Tensor, is_photo_N: Tensor, is_stored_N: Tensor, label: float, n: int
) -> dict[str, Tensor]:
    """The visit's gradient with every photo but n, and the head, held constant; written without the network's pooling."""
    features, logits = [], []
    is_read_N = is_stored_N if network.masks_as_paper else is_photo_N
    for at in is_read_N.nonzero().flatten().tolist():
        feature_1D = network.features(photos_NCHW[at : at + 1])
        logit_1 = network.attention(feature_1D)
        features.append(feature_1D if at == n else feature_1D.detach())
        logits.append(logit_1 if at == n else logit_1.detach())
    weight_R = torch.cat(logits).exp() / torch.cat(logits).exp().sum()
    weight_R = weight_R * is_photo_N[is_read_N]
    bag_1D = (weight_R[:, None] * torch.cat(features)).sum(0, keepdim=True)
    head = {name: weight.detach() for name, weight in network.head.named_parameters()}
    output_1C = torch.func.functional_call(network.head, head, (bag_1D,))
    return _gradient(network, plain_loss(network, output_1C[0], label))


def visit_gradients(network: BagNetwork, batch: object, labels: list[int] | None = None) -> list[dict[str, Tensor]]:
    """Each visit's gradient, under its own label or those given."""
    found = []
    for b in range(len(batch.label_B)):  # type: ignore[attr-defined]
        photos, there, stored, label = _visit(batch, b)
        found.append(gradient_of(network, photos, there, stored, label if labels is None else labels[b]))
    return found


def kept_alone(network: BagNetwork, batch: object) -> list[dict[str, Tensor]]:
    """Each present photo's visit with this photo alone present, the others stored."""
    found = []
    for b in range(len(batch.label_B)):  # type: ignore[attr-defined]
        photos, there, stored, label = _visit(batch, b)
        for n in there.nonzero().flatten().tolist():
            one = torch.zeros_like(there)
            one[n] = True
            found.append(gradient_of(network, photos, one, stored, label))
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


def _visit(batch: object, b: int) -> tuple[Tensor, Tensor, Tensor, float]:
    return batch.photos_BNCHW[b], batch.is_photo_BN[b], batch.is_stored_BN[b], batch.label_B[b].item()  # type: ignore[attr-defined]


def _gradient(network: BagNetwork, loss: Tensor) -> dict[str, Tensor]:
    parameters = dict(network.named_parameters())
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, found, strict=True))
