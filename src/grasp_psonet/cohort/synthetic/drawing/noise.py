"""Smooth noise and small shapes on the photo grid. Axes: H rows, W columns; all are float32 where speed matters."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Plane = npt.NDArray[np.floating[Any]]


def grid(edge_px: int) -> tuple[Plane, Plane]:
    """Coordinates x [W] as a row and y [H] as a column, -1 at the left and top edge of the photo and 1 at the others."""
    axis = (np.arange(edge_px, dtype=np.float32) + 0.5) * np.float32(2 / edge_px) - np.float32(1)
    return axis[None, :], axis[:, None]


def enlarged(plane_HW: Plane, edge_px: int) -> Plane:
    """The plane resized to a square of ``edge_px``, bicubic."""
    if plane_HW.shape == (edge_px, edge_px):
        return plane_HW
    return np.asarray(Image.fromarray(plane_HW).resize((edge_px, edge_px), Image.Resampling.BICUBIC), dtype=np.float32)


def smooth_noise(rng: np.random.Generator, edge_px: int, rows: float, columns: float | None = None) -> Plane:
    """Noise of about unit variance whose spots are 1/rows high and 1/columns wide (never finer than a pixel)."""
    cells = [min(max(round(count), 2), edge_px) for count in (rows, rows if columns is None else columns)]
    return enlarged(rng.standard_normal(cells, dtype=np.float32) * np.float32(1.3), edge_px)


def smoothstep(value: Plane, low: float, high: float) -> Plane:
    """0 below ``low``, 1 above ``high``, and a smooth rise between them."""
    t: Plane = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def ellipse(x: Plane, y: Plane, cx: float, cy: float, rx: float, ry: float) -> Plane:
    """About the depth inside an ellipse: positive inside, 0 on its border, in units of half a photo edge."""
    return np.float32(min(rx, ry)) * (1 - np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2))


def capsule(
    x: Plane, y: Plane, start: tuple[float, float], end: tuple[float, float], r_start: float, r_end: float
) -> Plane:
    """Depth inside a limb from ``start`` to ``end`` whose radius runs from ``r_start`` to ``r_end``."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    t = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return r_start + (r_end - r_start) * t - np.sqrt((x - start[0] - t * dx) ** 2 + (y - start[1] - t * dy) ** 2)


def joined(*depths: Plane, rounding: float = 0.1) -> Plane:
    """The union of shapes, their meeting rounded over ``rounding``."""
    union = depths[0]
    for depth in depths[1:]:
        near = np.clip(0.5 + (0.5 / rounding) * (union - depth), 0, 1)
        union = depth + (union - depth) * near + rounding * near * (1 - near)
    return union


def line(x: Plane, y: Plane, start: tuple[float, float], end: tuple[float, float], width: float) -> Plane:
    """A soft line: 1 in its middle, 0 from ``width`` on."""
    return np.asarray(np.clip(capsule(x, y, start, end, width, width) * np.float32(1 / width), 0, 1))
