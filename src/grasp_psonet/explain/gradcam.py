"""Grad-CAM of each photo inside its bag (Selvaraju et al. 2017; paper's Fig. 3, right).

The target is what speaks for a label of the visit given the siblings (of classes: its logit), not of the photo alone: the
gradient reaches a photo both through its feature and through the attention it takes from, or leaves to, the other photos of
the visit.
"""

# Axes: B bags, N photos per bag (padded), M present photos (row order of is_photo.nonzero()), C channels or classes,
# H W pixels, h w cells of the encoder's last map, T tokens.

from dataclasses import dataclass

import torch
from timm.models.beit import Beit
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from grasp_psonet.errors import NetworkError
from grasp_psonet.explain.settings import Sign
from grasp_psonet.network.loss import evidence_of


@dataclass(frozen=True)
class CamMaps:
    """Grad-CAM maps of a batch of bags.

    ``cam_BNhw``: each photo's map divided by its own largest value, in [0, 1]; 0 where nothing speaks for the label.
    ``largest_BN``: the largest value before that division, in units of the output; exactly 0 means that no place of the photo
    speaks for the label (say so, draw no heat), NaN that there is no photo. Only this value compares photos with each other.
    """

    cam_BNhw: Tensor
    largest_BN: Tensor


def grad_cam(
    network: nn.Module,
    photos_BNCHW: Tensor,
    is_photo_BN: Tensor,
    target_B: Tensor,
    layer: nn.Module,
    region_BN: Tensor | None = None,
    sign: Sign = "total",
) -> CamMaps:
    """Maps of where each photo speaks for the label ``target_B`` of its visit (``network.loss.evidence_of``: of classes, raises
    the logit; of a number raises it, or the level of a ``sign`` of the photo's region), at ``layer`` (see ``target_layer``).

    ``network(photos_BNCHW, is_photo_BN)`` has ``.logits_BC``; it must be in eval mode and read the present photos in
    the row order of ``is_photo_BN.nonzero()``, in one or several encoder calls. Weights, gradients and modules are left
    as they were. Raises NetworkError where the layer is not on the way from photos to logits, or gives no map.
    """
    assert not network.training, "a map of a network in training mode would depend on chance"
    maps: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        maps.append(output.detach().requires_grad_(True))
        torch.set_grad_enabled(True)  # until no_grad ends: only what follows the layer is recorded
        return maps[-1].clone()  # later in-place operations change the copy

    handle = layer.register_forward_hook(cut)
    try:
        with torch.no_grad():
            by_region = () if region_BN is None else (is_photo_BN, region_BN)
            logits_BC = network(photos_BNCHW, is_photo_BN, *by_region).logits_BC
            if not maps:
                raise NetworkError(
                    f"Grad-CAM layer {type(layer).__name__} is never called; next: choose it with target_layer()"
                )
            # Bags do not meet, so the gradients of their summed targets stay apart.
            target = evidence_of(network, sign)(logits_BC, target_B).sum()
            gradients = torch.autograd.grad(target, maps, allow_unused=True) if target.requires_grad else (None,)
    finally:
        handle.remove()
    present = [gradient for gradient in gradients if gradient is not None]
    if len(present) != len(maps):
        raise NetworkError(
            f"no gradient reaches Grad-CAM layer {type(layer).__name__}; next: choose it with target_layer()"
        )
    encoder = network.encoder
    assert isinstance(encoder, nn.Module)
    map_MChw = _as_grid(torch.cat(maps).detach(), encoder)
    weight_MC = _as_grid(torch.cat(present), encoder).mean(dim=(2, 3))
    return _by_bag(torch.einsum("mc,mchw->mhw", weight_MC, map_MChw).relu(), is_photo_BN)


def target_layer(encoder: nn.Module, photo_CHW: Tensor) -> nn.Module:
    """The layer to map: last stage of a ConvNeXt, last block's first norm of a ViT, else the last module giving a map.

    ``photo_CHW``: any photo of the right size, read for other encoders only. Raises NetworkError for an encoder without
    a map at its end, such as one that goes on with tokens of its own kind: a map of its first layers would mislead.
    """
    if isinstance(encoder, ConvNeXt):
        return encoder.stages[-1]
    if isinstance(encoder, VisionTransformer | Beit | Eva):
        first_norm = encoder.blocks[-1].norm1
        assert isinstance(first_norm, nn.Module)
        return first_norm
    last: list[nn.Module] = []

    def note(module: nn.Module, _inputs: object, output: object) -> None:
        if module is encoder or not isinstance(output, Tensor):
            return
        is_map = output.ndim == 4 and min(output.shape[2:]) > 1
        if is_map or (output.ndim == 3 and output.shape[1] > 1):
            last[:] = [module] if is_map else []

    handles = [module.register_forward_hook(note) for module in encoder.modules()]
    try:
        with torch.no_grad():
            encoder(photo_CHW[None])
    finally:
        for handle in handles:
            handle.remove()
    if not last:
        raise NetworkError(
            f"encoder {type(encoder).__name__} gives no map to explain (it does not end in rows and columns)\n"
            "  next: use a convolutional encoder or a timm vision transformer"
        )
    return last[0]


def _as_grid(output: Tensor, encoder: nn.Module) -> Tensor:
    """A layer's output as [M, C, h, w]; class and register tokens, which lie nowhere on the photo, are dropped."""
    if output.ndim == 4 and getattr(encoder, "output_fmt", "NCHW") == "NHWC":
        return output.permute(0, 3, 1, 2)
    if output.ndim == 4:
        return output
    prefix, grid = (
        getattr(encoder, "num_prefix_tokens", 0),
        getattr(getattr(encoder, "patch_embed", None), "grid_size", None),
    )
    if output.ndim != 3 or grid is None or output.shape[1] - prefix != grid[0] * grid[1]:
        raise NetworkError(
            f"the Grad-CAM layer of {type(encoder).__name__} gives shape {list(output.shape)}; "
            f"wanted [photos, channels, rows, columns], or tokens of a grid {grid} after {prefix} others"
        )
    return output[:, prefix:].reshape(len(output), *grid, -1).permute(0, 3, 1, 2)


def _by_bag(heat_Mhw: Tensor, is_photo_BN: Tensor) -> CamMaps:
    """Maps of the present photos, normalised and put in their bags' places."""
    largest_M = heat_Mhw.amax(dim=(1, 2))
    cam_Mhw = heat_Mhw / torch.where(largest_M > 0, largest_M, 1)[:, None, None]
    cam_BNhw = heat_Mhw.new_zeros(*is_photo_BN.shape, *heat_Mhw.shape[1:])
    cam_BNhw[is_photo_BN] = cam_Mhw
    largest_BN = heat_Mhw.new_full(is_photo_BN.shape, torch.nan)
    largest_BN[is_photo_BN] = largest_M
    return CamMaps(cam_BNhw, largest_BN)
