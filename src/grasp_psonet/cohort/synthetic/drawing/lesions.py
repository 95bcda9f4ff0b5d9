"""Plaques: where they are, and how redness, thickness and scale show. Axes: C colours, H rows, W columns."""

from dataclasses import dataclass

import numpy as np

from grasp_psonet.cohort.synthetic.drawing.noise import Plane, enlarged, grid, smooth_noise, smoothstep
from grasp_psonet.cohort.synthetic.drawing.skin import Person

_LAYOUT_PX = 48  # plaque outlines are laid out on this grid and enlarged


@dataclass(frozen=True)
class Lesion:
    """Sub-scores 0-4 of the view's region, and the fraction of the view's skin that plaques cover."""

    erythema: float = 0.0
    induration: float = 0.0
    desquamation: float = 0.0
    area_fraction: float = 0.0


@dataclass(frozen=True)
class Plaques:
    """Coverage (0..1) of every pixel, and how far inside a plaque it lies (0 on the border, 1 well inside)."""

    cover_HW: Plane
    inside_HW: Plane


def layout(rng: np.random.Generator, edge_px: int, sites: tuple[tuple[float, float], ...]) -> Plane:
    """How soon each pixel joins a plaque as their area grows (high: soon). Keyed by patient and view: plaques stay put."""
    x, y = grid(_LAYOUT_PX)
    num_blobs = int(rng.integers(4, 9)) if rng.random() < 0.7 else int(rng.integers(14, 26))
    preferred = np.array(sites)[rng.integers(0, len(sites), num_blobs)] + rng.normal(0, 0.22, (num_blobs, 2))
    anywhere = rng.uniform(-0.9, 0.9, (num_blobs, 2))
    centre_K2 = np.where(rng.random((num_blobs, 1)) < 0.5, preferred, anywhere).astype(np.float32)
    radius_K = (rng.lognormal(0, 0.45, num_blobs) * (0.85 / np.sqrt(num_blobs))).astype(np.float32)
    stretch_K = rng.uniform(0.75, 1.35, num_blobs).astype(np.float32)
    warp_x = x + 0.075 * smooth_noise(rng, _LAYOUT_PX, 5) + 0.022 * smooth_noise(rng, _LAYOUT_PX, 14)
    warp_y = y + 0.075 * smooth_noise(rng, _LAYOUT_PX, 5) + 0.022 * smooth_noise(rng, _LAYOUT_PX, 14)
    across = (warp_x[None] - centre_K2[:, 0, None, None]) * stretch_K[:, None, None]
    along = (warp_y[None] - centre_K2[:, 1, None, None]) / stretch_K[:, None, None]
    distance_KHW = np.sqrt(across**2 + along**2)
    # In lengths, not in radii: a border is equally sharp on small and on large plaques.
    field_HW = (radius_K[:, None, None] - distance_KHW).max(axis=0)
    ragged = 0.014 * smooth_noise(rng, edge_px, 24) + 0.008 * smooth_noise(rng, edge_px, 56)
    return enlarged(field_HW, edge_px) + ragged


def plaques_of(field_HW: Plane, skin_HW: Plane, area_fraction: float) -> Plaques:
    """The plaques that cover ``area_fraction`` of the skin (pixels where ``skin_HW`` is above 0.5)."""
    on_skin = field_HW[skin_HW > 0.5]
    count = round(area_fraction * on_skin.size)
    if count == 0:
        nothing = np.zeros_like(field_HW)
        return Plaques(nothing, nothing)
    threshold = float(np.partition(on_skin, on_skin.size - count)[on_skin.size - count])
    soft = 2.5 / field_HW.shape[0]
    cover_HW = smoothstep(field_HW, threshold - soft, threshold + soft) * skin_HW
    return Plaques(cover_HW, smoothstep(field_HW, threshold, threshold + 0.16))


def redden(rgb_CHW: Plane, plaques: Plaques, lesion: Lesion, person: Person, mottle_HW: Plane) -> Plane:
    """Skin with the plaques' redness: a little uneven, strongest towards the border, with a faint halo of thick plaques."""
    strength_HW = plaques.cover_HW * (1.06 - 0.16 * plaques.inside_HW + 0.10 * mottle_HW)
    exponent_C = person.redness * np.float32(lesion.erythema) + np.float32(0.02 * lesion.induration)
    return rgb_CHW * np.exp(-exponent_C[:, None, None] * strength_HW[None])


def scale_of(rng: np.random.Generator, plaques: Plaques, lesion: Lesion) -> Plane:
    """Opacity of scale (0..1): flakes that spread from the middle of the plaques as desquamation rises."""
    edge_px = plaques.cover_HW.shape[0]
    grain = 0.75 * smooth_noise(rng, edge_px, 44) + 0.65 * smooth_noise(rng, edge_px, 100)
    plates = 0.55 - np.abs(smooth_noise(rng, edge_px, 13))  # cracks between larger plates
    if lesion.desquamation <= 0:
        return np.zeros_like(grain)
    spread = -1.15 + 0.40 * lesion.desquamation
    opacity = 0.40 + 0.11 * lesion.desquamation
    flakes = grain + 0.9 * plates + spread + 0.9 * plaques.inside_HW
    return smoothstep(flakes, -0.5, 2.3) * plaques.cover_HW * np.float32(opacity)


def relief(plaques: Plaques, lesion: Lesion, scale_HW: Plane) -> Plane:
    """Height of the plaques over the skin, in units of half a photo edge."""
    rim: Plane = np.minimum(plaques.inside_HW * 1.7, 1)
    return np.float32(0.013 * lesion.induration) * rim + np.float32(0.007) * scale_HW
