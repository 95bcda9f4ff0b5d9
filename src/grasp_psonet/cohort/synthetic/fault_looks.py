"""How photo faults look: each a function from a picture to the faulty picture, for drawn and for real photos.

``strength`` 1 is the look of the drawn cohorts; less is fainter, more is stronger. Pictures are square, uint8 [E, E, C] RGB.
Axes: C colours, H rows and W columns (both the edge, E).
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from grasp_psonet.cohort.synthetic.drawing.camera import LOUD, loud_background
from grasp_psonet.cohort.synthetic.drawing.noise import Plane, grid

Picture = NDArray[np.uint8]
Rng = np.random.Generator
# One recognisable cast, as of a wrong white balance under fluorescent light: teal.
_CAST = np.array([0.62, 1.04, 0.98], np.float32)
_CAST_LIFT = np.array([0.0, 0.05, 0.055], np.float32)
_DARK_NOISE = 0.012  # more sensor noise, as a part of full white, where light is too little
_INK = ((38, 52, 140), (90, 30, 120), (20, 24, 30), (16, 96, 70))
_STICKER = (36, 74, 168)  # one blue
_PHONE_GAIN = np.array([1.10, 1.0, 0.86], np.float32)  # of the one device: warm
_JPEG_QUALITY = 9.0
_COARSER = 3.0  # by how much a pixel of low resolution is larger than one of the photo


def on_light(rng: Rng, rgb_CHW: Plane, fault: str, strength: float) -> Plane:
    """The light [C, H, W] that reaches the camera, changed by a fault of the light; as it is for any other fault."""
    look = {"colour_cast": _cast_light, "under_exposure": _little_light}.get(fault)
    return rgb_CHW if look is None else look(rng, rgb_CHW, strength)


def extra_noise(fault: str, strength: float) -> float:
    """The standard deviation of the sensor noise that a fault adds, as a part of full white."""
    return _DARK_NOISE * strength if fault == "under_exposure" else 0.0


def zoomed_out(strength: float) -> float:
    """The zoom (1: the photo fills the frame) from which a fault of the background shows enough of it."""
    return 1 - 0.22 * strength


def _cast_light(rng: Rng, rgb_CHW: Plane, strength: float) -> Plane:
    power = np.float32(strength)
    gain_C = _CAST**power * rng.normal(1, 0.03 * strength, 3).astype(np.float32)
    return np.asarray(rgb_CHW * gain_C[:, None, None] + (_CAST_LIFT * power)[:, None, None])


def _little_light(rng: Rng, rgb_CHW: Plane, strength: float) -> Plane:
    gain = np.float32(rng.uniform(0.24, 0.34) ** strength)
    return np.asarray(rgb_CHW ** np.float32(1 + 0.15 * strength) * gain + np.float32(0.01 * strength))


def colour_cast(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """One teal tint with a little jitter; what the picture shows stays visible under it."""
    return _picture(_cast_light(rng, _light(picture_HWC), strength))


def under_exposure(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """Too little light (at strength 1 two stops), with lifted blacks and noise."""
    dark_CHW = _little_light(rng, _light(picture_HWC), strength)
    noise_CHW = rng.standard_normal(dark_CHW.shape, dtype=np.float32) * np.float32(_DARK_NOISE * strength)
    return _picture(dark_CHW + noise_CHW)


def blur(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """Out of focus, or moved."""
    photo = Image.fromarray(picture_HWC)
    radius = picture_HWC.shape[0] * rng.uniform(0.018, 0.028) * strength
    if rng.random() < 0.5:
        return np.asarray(photo.filter(ImageFilter.GaussianBlur(radius)))
    sideways = rng.random() < 0.5
    reach = (3.2 * radius, 0.6 * radius)
    return np.asarray(photo.filter(ImageFilter.BoxBlur(reach if sideways else reach[::-1])))


def background(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """Seen from farther away, before a coloured and patterned cloth, which frames the picture.

    The drawn camera puts the cloth behind the body instead; what is body in a photo at hand is not known.
    """
    edge_px = picture_HWC.shape[0]
    inner_px = max(1, round(edge_px * zoomed_out(strength)))
    framed_HWC = _picture(loud_background(rng, edge_px))
    top, left = (int(place) for place in rng.integers(0, edge_px - inner_px + 1, 2))
    smaller = Image.fromarray(picture_HWC).resize((inner_px, inner_px), Image.Resampling.BICUBIC)
    framed_HWC[top : top + inner_px, left : left + inner_px] = np.asarray(smaller)
    return framed_HWC


def marker(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """A ruler along an edge, a ring of pen around a spot with a letter's stroke, or a round colour sticker."""
    return _drawn_over(picture_HWC, (_ruler, _pen_ring, _any_sticker)[int(rng.integers(3))], rng, strength)


def ruler(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """A ruler along an edge; the strength is its depth."""
    return _drawn_over(picture_HWC, _ruler, rng, strength)


def sticker(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """A round blue sticker in the upper right corner; the strength is its size."""
    return _drawn_over(picture_HWC, _corner_sticker, rng, strength)


def jpeg(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """Compressed far too much, as messengers do: blocks, and colour in coarse patches."""
    del rng  # nothing is left to chance
    file = BytesIO()
    quality = max(1, round(_JPEG_QUALITY / strength))
    Image.fromarray(picture_HWC).save(file, "jpeg", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file).convert("RGB"))


def low_resolution(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """Few pixels (at strength 1 a quarter of the edge's), enlarged again as squares."""
    del rng
    edge_px = picture_HWC.shape[0]
    few_px = max(2, round(edge_px / (1 + _COARSER * strength)))
    few = Image.fromarray(picture_HWC).resize((few_px, few_px), Image.Resampling.BOX)
    return np.asarray(few.resize((edge_px, edge_px), Image.Resampling.NEAREST))


def device(rng: Rng, picture_HWC: Picture, strength: float) -> Picture:
    """Another phone's processing: warm, saturated, of hard contrast and sharpened edges, with dark corners."""
    del rng
    rgb_CHW = _light(picture_HWC)
    grey_HW = rgb_CHW.mean(axis=0)
    rgb_CHW = grey_HW + (rgb_CHW - grey_HW) * np.float32(1 + 0.5 * strength)
    rgb_CHW = np.clip(rgb_CHW * (_PHONE_GAIN ** np.float32(strength))[:, None, None], 0, 1)
    steep_CHW = rgb_CHW * rgb_CHW * (3 - 2 * rgb_CHW)
    rgb_CHW = rgb_CHW + np.float32(min(1.0, 0.6 * strength)) * (steep_CHW - rgb_CHW)
    x, y = grid(picture_HWC.shape[0])
    dark_corners_HW = 1 - np.float32(0.13 * strength) * (x * x + y * y)
    percent = round(90 * strength)
    sharp = ImageFilter.UnsharpMask(radius=picture_HWC.shape[0] / 90, percent=percent, threshold=0)
    return np.asarray(Image.fromarray(_picture(rgb_CHW * dark_corners_HW)).filter(sharp))


Look = Callable[[Rng, Picture, float], Picture]
# Faults that can be put on any picture, by name: those of the light, and those that the drawn camera adds to the photo.
OF_LIGHT: dict[str, Look] = {"colour_cast": colour_cast, "under_exposure": under_exposure, "background": background}
OF_PICTURE: dict[str, Look] = {
    "blur": blur,
    "marker": marker,
    "sticker": sticker,
    "ruler": ruler,
    "jpeg": jpeg,
    "low_resolution": low_resolution,
    "device": device,
}
LOOKS: dict[str, Look] = OF_LIGHT | OF_PICTURE


def _light(picture_HWC: Picture) -> Plane:
    return np.asarray(picture_HWC.transpose(2, 0, 1), np.float32) / np.float32(255)


def _picture(rgb_CHW: NDArray[np.floating[Any]]) -> Picture:
    rounded_CHW = np.clip(rgb_CHW * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(rounded_CHW.transpose(1, 2, 0))


Stroke = Callable[[Rng, ImageDraw.ImageDraw, int, float], None]


def _drawn_over(picture_HWC: Picture, stroke: Stroke, rng: Rng, strength: float) -> Picture:
    """The picture with something drawn on it, at twice its size for smooth edges."""
    edge_px, over = picture_HWC.shape[0], 2
    size = edge_px * over
    photo = Image.fromarray(picture_HWC).resize((size, size), Image.Resampling.BILINEAR)
    stroke(rng, ImageDraw.Draw(photo), size, strength)
    return np.asarray(photo.resize((edge_px, edge_px), Image.Resampling.BOX))


def _ruler(rng: Rng, draw: ImageDraw.ImageDraw, size: int, strength: float) -> None:
    colour = ((246, 244, 236), (240, 208, 70))[int(rng.integers(2))]
    depth, upright = rng.uniform(0.12, 0.16) * size * strength, rng.random() < 0.5
    far = rng.random() < 0.5
    low, high = (size - depth, size) if far else (0.0, depth)
    draw.rectangle([low, 0, high, size] if upright else [0, low, size, high], fill=colour)
    for tick in range(1, 40):
        place = tick * size / 40
        length = depth * (0.55 if tick % 10 == 0 else 0.42 if tick % 5 == 0 else 0.25)
        start, end = (low, low + length) if far else (high - length, high)
        mark = [start, place, end, place] if upright else [place, start, place, end]
        draw.line(mark, fill=(30, 30, 30), width=max(1, round(size / 220)))


def _pen_ring(rng: Rng, draw: ImageDraw.ImageDraw, size: int, strength: float) -> None:
    ink = _INK[rng.integers(len(_INK))]
    cx, cy = rng.uniform(0.35, 0.65) * size, rng.uniform(0.35, 0.65) * size
    radius = rng.uniform(0.13, 0.22) * size * strength
    turns = np.linspace(0, 2 * np.pi + 0.35, 40)
    wobble = 1 + 0.05 * np.sin(3 * turns + rng.uniform(0, 6)) + 0.02 * turns
    ring = list(zip(cx + radius * wobble * np.cos(turns), cy + radius * 0.85 * wobble * np.sin(turns), strict=True))
    draw.line(ring, fill=ink, width=max(2, round(0.018 * size)), joint="curve")
    for offset in (0.0, 0.07):
        start = (cx + radius * 1.3 + offset * size, cy - radius * 0.4)
        draw.line(
            [start, (start[0] - 0.03 * size, start[1] + 0.14 * size)], fill=ink, width=max(2, round(0.016 * size))
        )


def _any_sticker(rng: Rng, draw: ImageDraw.ImageDraw, size: int, strength: float) -> None:
    red, green, blue = (int(value) for value in LOUD[rng.integers(0, 5)])
    cx, cy = rng.uniform(0.2, 0.8) * size, rng.uniform(0.2, 0.8) * size
    radius = rng.uniform(0.09, 0.12) * size * strength
    _round_sticker(draw, size, (cx, cy, radius), (red, green, blue))


def _corner_sticker(rng: Rng, draw: ImageDraw.ImageDraw, size: int, strength: float) -> None:
    radius = rng.uniform(0.09, 0.12) * size * strength
    from_edges = radius + rng.uniform(0.02, 0.05, 2) * size
    _round_sticker(draw, size, (size - float(from_edges[0]), float(from_edges[1]), radius), _STICKER)


def _round_sticker(
    draw: ImageDraw.ImageDraw, size: int, place: tuple[float, float, float], colour: tuple[int, int, int]
) -> None:
    """A ring of the colour around white with a black cross; ``place``: centre x and y, radius, in pixels."""
    cx, cy, radius = place
    draw.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=colour)
    inner = radius * 0.62
    draw.ellipse([cx - inner, cy - inner, cx + inner, cy + inner], fill=(245, 244, 240))
    draw.line([cx - inner * 0.5, cy, cx + inner * 0.5, cy], fill=(30, 30, 34), width=max(2, round(0.014 * size)))
    draw.line([cx, cy - inner * 0.5, cx, cy + inner * 0.5], fill=(30, 30, 34), width=max(2, round(0.014 * size)))
