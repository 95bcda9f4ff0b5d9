"""From skin to photo: pose, light, background, phone, and the look of photo faults. Axes: C colours, H rows, W columns."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from grasp_psonet.cohort.synthetic.noise import Plane, grid, smooth_noise

DEVICES = ("phone-a", "phone-b", "phone-c", "phone-d")
_DEVICE_GAIN = np.array([[1.0, 1.0, 1.0], [1.03, 1.0, 0.97], [0.97, 1.0, 1.04], [1.02, 0.99, 0.99]], np.float32)
_DEVICE_NOISE = (0.010, 0.014, 0.012, 0.022)
# One recognisable cast, as of a wrong white balance under fluorescent light: teal.
_CAST = np.array([0.62, 1.04, 0.98], np.float32)
_CAST_LIFT = np.array([0.0, 0.05, 0.055], np.float32)
_WALLS = np.array(
    [[206, 204, 199], [188, 192, 197], [214, 205, 190], [150, 158, 166], [120, 130, 142], [226, 225, 222]], np.float32
)
_LOUD = np.array(
    [[196, 62, 58], [44, 92, 160], [236, 196, 70], [62, 128, 84], [122, 72, 140], [240, 236, 226], [40, 42, 50]],
    np.float32,
)
_INK = ((38, 52, 140), (90, 30, 120), (20, 24, 30), (16, 96, 70))


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
    first, second = (_LOUD[index] / 255 for index in rng.choice(len(_LOUD), 2, replace=False))
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


def with_cast(rng: np.random.Generator, rgb_CHW: Plane) -> Plane:
    """The colour cast: one teal tint with a little jitter; plaques stay visible under it."""
    gain_C = _CAST * rng.normal(1, 0.03, 3).astype(np.float32)
    return np.asarray(rgb_CHW * gain_C[:, None, None] + _CAST_LIFT[:, None, None])


def under_exposed(rng: np.random.Generator, rgb_CHW: Plane) -> Plane:
    """Two stops too little light, with lifted blacks."""
    return np.asarray(rgb_CHW ** np.float32(1.15) * np.float32(rng.uniform(0.24, 0.34)) + np.float32(0.01))


def blurred(rng: np.random.Generator, pixels_HWC: np.ndarray) -> np.ndarray:
    """Out of focus, or moved."""
    edge_px = pixels_HWC.shape[0]
    photo = Image.fromarray(pixels_HWC)
    radius = edge_px * rng.uniform(0.018, 0.028)
    if rng.random() < 0.5:
        return np.asarray(photo.filter(ImageFilter.GaussianBlur(radius)))
    sideways = rng.random() < 0.5
    reach = (3.2 * radius, 0.6 * radius)
    return np.asarray(photo.filter(ImageFilter.BoxBlur(reach if sideways else reach[::-1])))


def marked(rng: np.random.Generator, pixels_HWC: np.ndarray) -> np.ndarray:
    """A ruler along an edge, a ring of pen around a spot with a letter's stroke, or a round colour sticker."""
    edge_px, over = pixels_HWC.shape[0], 2
    photo = Image.fromarray(pixels_HWC).resize((edge_px * over, edge_px * over), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(photo)
    size = edge_px * over
    kind = int(rng.integers(3))
    if kind == 0:
        _ruler(rng, draw, size)
    elif kind == 1:
        ink = _INK[rng.integers(len(_INK))]
        cx, cy, radius = rng.uniform(0.35, 0.65) * size, rng.uniform(0.35, 0.65) * size, rng.uniform(0.13, 0.22) * size
        turns = np.linspace(0, 2 * np.pi + 0.35, 40)
        wobble = 1 + 0.05 * np.sin(3 * turns + rng.uniform(0, 6)) + 0.02 * turns
        ring = list(zip(cx + radius * wobble * np.cos(turns), cy + radius * 0.85 * wobble * np.sin(turns), strict=True))
        draw.line(ring, fill=ink, width=max(2, round(0.018 * size)), joint="curve")
        for offset in (0.0, 0.07):
            start = (cx + radius * 1.3 + offset * size, cy - radius * 0.4)
            draw.line(
                [start, (start[0] - 0.03 * size, start[1] + 0.14 * size)], fill=ink, width=max(2, round(0.016 * size))
            )
    else:
        colour = tuple(int(value) for value in _LOUD[rng.integers(0, 5)])
        cx, cy, radius = rng.uniform(0.2, 0.8) * size, rng.uniform(0.2, 0.8) * size, rng.uniform(0.09, 0.12) * size
        draw.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=colour)
        inner = radius * 0.62
        draw.ellipse([cx - inner, cy - inner, cx + inner, cy + inner], fill=(245, 244, 240))
        draw.line([cx - inner * 0.5, cy, cx + inner * 0.5, cy], fill=(30, 30, 34), width=max(2, round(0.014 * size)))
        draw.line([cx, cy - inner * 0.5, cx, cy + inner * 0.5], fill=(30, 30, 34), width=max(2, round(0.014 * size)))
    return np.asarray(photo.resize((edge_px, edge_px), Image.Resampling.BOX))


def _ruler(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: int) -> None:
    colour = ((246, 244, 236), (240, 208, 70))[int(rng.integers(2))]
    depth, upright = rng.uniform(0.12, 0.16) * size, rng.random() < 0.5
    far = rng.random() < 0.5
    low, high = (size - depth, size) if far else (0.0, depth)
    draw.rectangle([low, 0, high, size] if upright else [0, low, size, high], fill=colour)
    for tick in range(1, 40):
        place = tick * size / 40
        length = depth * (0.55 if tick % 10 == 0 else 0.42 if tick % 5 == 0 else 0.25)
        start, end = (low, low + length) if far else (high - length, high)
        mark = [start, place, end, place] if upright else [place, start, place, end]
        draw.line(mark, fill=(30, 30, 30), width=max(1, round(size / 220)))
