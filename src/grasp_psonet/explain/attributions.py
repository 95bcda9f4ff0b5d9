"""Attributions of a photo's pixels inside its bag through captum: integrated gradients and occlusion.

Integrated gradients: Sundararajan et al. 2017, equation 1. Occlusion: Zeiler and Fergus 2014, section 4.2. Both hold the photo
against one of the encoder's mean colour. captum is an optional dependency (the extra ``explain``).
"""

# Axes: K versions of the photo, C channels, H W pixels.

import importlib
import logging
from typing import Any

import torch
from torch import Tensor

from grasp_psonet.explain.in_bag import PhotoInBag
from grasp_psonet.explain.settings import OF_CAPTUM, refuse_without_captum

log = logging.getLogger("grasp_psonet")

_FEWEST_STEPS, _MOST_STEPS = 32, 256  # of the integral
_TOLERANCE = 0.02  # of the sum of the attributions' sizes
_TOGETHER = 32  # versions of a photo in one pass of the encoder
_WINDOWS_ACROSS = 4  # an occluding window is a fourth of the edge
_STRIDES_A_WINDOW = 2  # and moves by half of itself


def integrated_gradients(photo: PhotoInBag) -> Tensor:
    """Attribution of every pixel and channel [C, H, W]; they sum to what the photo adds to the evidence for the label of the
    visit beyond a photo of the encoder's mean colour in its place (completeness).

    The integral takes 32 to 256 steps: as many as make that hold within 2 % of the sum of the attributions' sizes. Where 256
    are too few, the log says so.
    Raises SettingsError without captum.
    """
    method = _captum().IntegratedGradients(photo.evidence)
    with torch.no_grad():
        ends_2 = photo.evidence(torch.stack([photo.neutral, photo.pixels]))
    wanted, num_steps = float(ends_2[1] - ends_2[0]), _FEWEST_STEPS
    while True:
        attribution_CHW: Tensor = method.attribute(
            photo.pixels[None],
            baselines=photo.neutral[None],
            n_steps=num_steps,
            internal_batch_size=_TOGETHER,
        )[0].detach()
        found = float(attribution_CHW.sum())
        if abs(found - wanted) <= _TOLERANCE * max(abs(wanted), float(attribution_CHW.abs().sum())):
            return attribution_CHW
        if num_steps >= _MOST_STEPS:
            told = "integrated gradients of a photo sum to %.3g, wanted %.3g: %d steps are too few for this network"
            log.warning(told, found, wanted, num_steps)
            return attribution_CHW
        num_steps *= 2


def occlusion(photo: PhotoInBag) -> Tensor:
    """How much the evidence for the label of the visit falls when a window around the pixel takes the encoder's mean colour,
    mean over the windows that hold it, [1, H, W].

    The window is a fourth of the photo's edge and moves by half of itself. Raises SettingsError without captum.
    """
    num_channels, height_px, width_px = photo.pixels.shape
    window = tuple(max(1, edge // _WINDOWS_ACROSS) for edge in (height_px, width_px))
    stride = tuple(max(1, edge // _STRIDES_A_WINDOW) for edge in window)
    with torch.no_grad():
        attribution_1CHW: Tensor = (
            _captum()
            .Occlusion(photo.evidence)
            .attribute(
                photo.pixels[None],
                sliding_window_shapes=(num_channels, *window),
                strides=(num_channels, *stride),
                baselines=photo.neutral[None],
                perturbations_per_eval=_TOGETHER,
            )
        )
    return attribution_1CHW[0, :1].detach()  # a window covers all channels, so they are the same


def _captum() -> Any:
    refuse_without_captum(OF_CAPTUM)
    return importlib.import_module("captum.attr")
