"""From skin to photo: pose, light, background, phone. Axes: C colours, H rows, W columns."""

from dataclasses import dataclass

import numpy as np

from grasp_psonet.cohort.synthetic.drawing.noise import Plane, grid, smooth_noise

DEVICES = ("phone-a", "phone-b", "phone-c", "phone-d")
_DEVICE_GAIN = np.array([[1.0, 1.0, 1.0], [1.03, 1.0, 0.97], [0.97, 1.0, 1.04], [1.02, 0.99, 0.99]], np.float32)
_DEVICE_NOISE = (0.010, 0.014, 0.012, 0.022)
_WALLS = np.array(
    [[206, 204, 199], [188, 192, 197], [214, 205, 190], [150, 158, 166], [120, 130, 142], [226, 225, 222]], np.float32
)
LOUD = np.array(
    [[196, 62, 58], [44, 92, 160], [236, 196, 70], [62, 128, 84], [122, 72, 140], [240, 236, 226], [40, 42, 50]],
    np.float32,
)


@dataclass(frozen=True)
class Pose:
    """How the phone was held: rotation in radians, zoom (above 1: closer), shift in units of half a photo edge."""

    angle: float
    zoom: float
    shift_x: float
    shift_y: float


def held(rng: np.random.Generator, zoom: float = 1.0) -> Pose:
    """A pose near the standard one."""
    angle, larger, shift_x, shift_y = rng.normal(0, (0.07, 0.05, 0.05, 0.05)).clip(-0.15, 0.15)
    return Pose(float(angle), float(zoom * (1 + larger)), float(shift_x), float(shift_y))


def seen_from(pose: Pose, edge_px: int, mirrored: bool) -> tuple[Plane, Plane]:
    """Body coordinates x [H, W] and y [H, W] of every pixel."""
    column, row = grid(edge_px)
    cos, sin = np.float32(np.cos(pose.angle) / pose.zoom), np.float32(np.sin(pose.angle) / pose.zoom)
    x_HW = cos * (column - np.float32(pose.shift_x)) - sin * (row - np.float32(pose.shift_y))
    y_HW = sin * (column - np.float32(pose.shift_x)) + cos * (row - np.float32(pose.shift_y))
    return -x_HW if mirrored else x_HW, y_HW


def wall(rng: np.random.Generator, edge_px: int) -> Plane:
    """A plain background [C, H, W]: a wall or a cloth out of focus."""
    colour = _WALLS[rng.integers(len(_WALLS))] / 255 * rng.uniform(0.85, 1.05)
    x, y = grid(edge_px)
    lean = rng.normal(0, 0.05, 2)
    light_HW = 1 + np.float32(lean[0]) * x + np.float32(lean[1] - 0.04) * y + 0.02 * smooth_noise(rng, edge_px, 5)
    return np.asarray(colour.astype(np.float32)[:, None, None] * light_HW[None])


def loud_background(rng: np.random.Generator, edge_px: int) -> Plane:
    """A coloured and patterned background [C, H, W]: checks, stripes, dots or a blotched cloth."""
    first, second = (LOUD[index] / 255 for index in rng.choice(len(LOUD), 2, replace=False))
    x, y = grid(edge_px)
    turn, cycles = rng.uniform(0, np.pi), rng.uniform(4, 8)
    u = np.float32(np.cos(turn) * cycles) * x + np.float32(np.sin(turn) * cycles) * y
    v = np.float32(-np.sin(turn) * cycles) * x + np.float32(np.cos(turn) * cycles) * y
    pattern = int(rng.integers(4))
    if pattern == 0:
        mix = ((np.floor(u) + np.floor(v)) % 2).astype(np.float32)
    elif pattern == 1:
        mix = (np.sin(2.2 * u) > 0).astype(np.float32)
    elif pattern == 2:
        mix = ((u - np.floor(u) - 0.5) ** 2 + (v - np.floor(v) - 0.5) ** 2 < 0.09).astype(np.float32)
    else:
        mix = np.clip(0.5 + 0.8 * smooth_noise(rng, edge_px, 7), 0, 1)
    mix = mix * (0.92 + 0.05 * smooth_noise(rng, edge_px, 60))
    return np.asarray(first[:, None, None] * (1 - mix[None]) + second[:, None, None] * mix[None], np.float32)


def lit(rng: np.random.Generator, rgb_CHW: Plane, strength: float = 1.0) -> Plane:
    """Room light: brightness, a gradient over the photo, darker corners, and a small error of the white balance."""
    x, y = grid(rgb_CHW.shape[1])
    lean = rng.normal(0, 0.06, 2).astype(np.float32)
    corner = np.float32(rng.uniform(0.03, 0.10))
    gain_HW = np.float32(rng.uniform(0.92, 1.06)) * (1 + lean[0] * x + lean[1] * y - corner * (x * x + y * y))
    warmth = rng.normal(0, 0.018)
    balance_C = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    return np.asarray(rgb_CHW * (balance_C[:, None, None] * (gain_HW * np.float32(strength))[None]))


def developed(rng: np.random.Generator, rgb_CHW: Plane, device: str, extra_noise: float = 0.0) -> np.ndarray:
    """The phone's uint8 photo [H, W, C]: its colour response, sensor noise, and rounding."""
    index = DEVICES.index(device)
    edge_px = rgb_CHW.shape[1]
    sigma = np.float32(_DEVICE_NOISE[index] + extra_noise)
    grain_CHW = rng.standard_normal((3, edge_px, edge_px), dtype=np.float32) * (0.5 * sigma)
    grain_CHW += rng.standard_normal((edge_px, edge_px), dtype=np.float32)[None] * sigma
    rgb_CHW = rgb_CHW * _DEVICE_GAIN[index][:, None, None] + grain_CHW
    pixels = np.clip(rgb_CHW * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))
