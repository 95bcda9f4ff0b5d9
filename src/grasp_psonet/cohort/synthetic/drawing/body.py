"""Body views as stylised outlines with their landmarks. Axes: H rows, W columns; x right, y down, -1..1 over the photo.

A right-side view is the mirror image of the left one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from grasp_psonet.cohort.synthetic.drawing.noise import Plane, capsule, ellipse, joined, line, smoothstep


@dataclass(frozen=True)
class Paint:
    """A patch of colour on the body: where (0..1), and which; ``tint`` multiplies the skin, ``colour`` covers it."""

    alpha_HW: Plane
    tint: tuple[float, float, float] | None = None
    colour: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Body:
    """One outline: depth inside it (0 on its border), grooves (0..1), head hair (0..1), paints, and landmarks.

    ``rounding`` is how far from the border the surface curves away, ``sites`` where plaques like to be (x, y),
    ``hair_sites`` whether fine hair grows.
    """

    depth_HW: Plane
    groove_HW: Plane | None = None
    hair_HW: Plane | None = None
    paints: tuple[Paint, ...] = ()
    rounding: float = 0.45
    sites: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    fine_hair: float = field(default=0.0)


_LIP = (1.0, 0.70, 0.70)
_DARKER = (0.78, 0.66, 0.62)
_NAIL = (1.04, 0.93, 0.92)


def _soft(depth: Plane, width: float = 0.03) -> Plane:
    return smoothstep(depth, -width, width)


def _eye(x: Plane, y: Plane, cx: float, cy: float) -> tuple[Paint, ...]:
    white = _soft(ellipse(x, y, cx, cy, 0.115, 0.05), 0.012)
    iris = _soft(ellipse(x, y, cx, cy, 0.048, 0.048), 0.012) * white
    brow = line(x, y, (cx - 0.13, cy - 0.13), (cx + 0.13, cy - 0.15), 0.035)
    return (
        Paint(_soft(ellipse(x, y, cx, cy, 0.17, 0.10), 0.06) * 0.5, tint=(0.84, 0.78, 0.78)),
        Paint(white, colour=(0.92, 0.90, 0.88)),
        Paint(iris, colour=(0.20, 0.14, 0.10)),
        Paint(brow * 0.85, tint=(0.35, 0.30, 0.30)),
    )


def _face(x: Plane, y: Plane) -> Body:
    head = ellipse(x, y, 0, -0.12, 0.56, 0.74)
    neck = capsule(x, y, (0, 0.3), (0, 1.2), 0.30, 0.32)
    shoulders = ellipse(x, y, 0, 1.30, 1.15, 0.48)
    ears = np.maximum(ellipse(x, y, -0.57, -0.08, 0.10, 0.18), ellipse(x, y, 0.57, -0.08, 0.10, 0.18))
    depth = joined(joined(neck, shoulders, rounding=0.2), head, ears, rounding=0.04)
    hair = _soft(-ellipse(x, y, 0, 0.10, 0.52, 0.74), 0.05) * _soft(-y - 0.28, 0.10) * _soft(head + 0.02)
    mouth = ellipse(x, y, 0, 0.36, 0.19, 0.055)
    nose = line(x, y, (-0.09, 0.13), (0.09, 0.13), 0.045) + 0.5 * line(x, y, (0.07, -0.12), (0.09, 0.10), 0.05)
    jaw = np.clip(1 - np.abs(head) / 0.05, 0, 1) * _soft(y - 0.25, 0.1)
    groove = 0.7 * np.clip(nose, 0, 1) + 0.5 * jaw + 0.4 * line(x, y, (-0.15, 0.36), (0.15, 0.36), 0.02)
    paints = (*_eye(x, y, -0.22, -0.12), *_eye(x, y, 0.22, -0.12), Paint(_soft(mouth, 0.02) * 0.8, tint=_LIP))
    return Body(depth, groove, hair, paints, 0.5, ((0, -0.5), (-0.35, 0.1), (0.35, 0.15)))


def _ear_lines(x: Plane, y: Plane, cx: float, cy: float, size: float) -> Plane:
    rim = np.abs(ellipse(x, y, cx, cy, 0.52 * size, 0.82 * size))
    inner = np.abs(ellipse(x, y, cx + 0.05 * size, cy - 0.02, 0.30 * size, 0.52 * size))
    canal = ellipse(x, y, cx - 0.12 * size, cy + 0.1 * size, 0.12 * size, 0.18 * size)
    lines = np.clip(1 - rim / (0.09 * size), 0, 1) + 0.8 * np.clip(1 - inner / (0.09 * size), 0, 1)
    return np.clip(lines + _soft(canal, 0.05 * size), 0, 1)


def _profile(x: Plane, y: Plane) -> Body:
    skull = ellipse(x, y, 0.08, -0.25, 0.62, 0.62)
    jaw = capsule(x, y, (-0.32, 0.32), (0.15, 0.20), 0.20, 0.28)
    nose = capsule(x, y, (-0.50, -0.12), (-0.60, 0.06), 0.06, 0.085)
    lips = capsule(x, y, (-0.44, 0.24), (-0.50, 0.26), 0.07, 0.045)
    neck = capsule(x, y, (0.18, 0.2), (0.28, 1.2), 0.30, 0.36)
    shoulders = ellipse(x, y, 0.3, 1.30, 1.0, 0.42)
    depth = joined(joined(skull, jaw, neck, rounding=0.14), nose, lips, shoulders, rounding=0.08)
    hairline = joined(-ellipse(x, y, -0.42, 0.12, 0.62, 0.72), 0.25 * x - y - 0.62, rounding=0.1)
    hair = _soft(hairline, 0.05) * _soft(0.12 - y + 0.3 * x, 0.08) * _soft(skull + 0.02)
    ear = _ear_lines(x, y, 0.14, -0.02, 0.2)
    shaded = Paint(_soft(ellipse(x, y, 0.14, -0.02, 0.12, 0.19), 0.02) * 0.5, tint=(0.95, 0.85, 0.83))
    lip = Paint(_soft(ellipse(x, y, -0.48, 0.25, 0.10, 0.05), 0.02) * 0.8, tint=_LIP)
    eye = line(x, y, (-0.46, -0.14), (-0.36, -0.15), 0.03)
    eyes = (Paint(eye, tint=(0.3, 0.25, 0.25)), Paint(line(x, y, (-0.5, -0.27), (-0.3, -0.30), 0.03), tint=_DARKER))
    return Body(depth, ear * 0.8, hair, (shaded, lip, *eyes), 0.45, ((0.05, 0.1), (-0.2, -0.5), (0.3, 0.4)))


def _nape(x: Plane, y: Plane) -> Body:
    head = ellipse(x, y, 0, -0.55, 0.58, 0.62)
    neck = capsule(x, y, (0, -0.2), (0, 1.0), 0.40, 0.44)
    shoulders = ellipse(x, y, 0, 1.10, 1.25, 0.62)
    ears = np.maximum(ellipse(x, y, -0.58, -0.40, 0.07, 0.16), ellipse(x, y, 0.58, -0.40, 0.07, 0.16))
    depth = joined(joined(neck, shoulders, rounding=0.25), head, ears, rounding=0.06)
    hair = _soft(head + 0.03) * _soft(-y - 0.12 + 0.25 * x * x, 0.10)
    groove = 0.4 * line(x, y, (0, 0.1), (0, 1.0), 0.05) + 0.3 * line(x, y, (-0.3, 0.30), (0.3, 0.30), 0.03)
    return Body(depth, groove, hair, (), 0.45, ((0, -0.1), (-0.2, 0.2), (0.3, 0.6)))


def _scalp(x: Plane, y: Plane) -> Body:
    head = ellipse(x, y, 0, 0.02, 0.80, 0.88)
    parting = _soft(0.09 + 0.05 * np.sin(5 * y) - np.abs(x + 0.18 + 0.08 * y), 0.05)
    hair = _soft(head + 0.02) * (1 - 0.85 * parting)
    ears = np.maximum(ellipse(x, y, -0.82, 0.1, 0.07, 0.15), ellipse(x, y, 0.82, 0.1, 0.07, 0.15))
    return Body(joined(head, ears, rounding=0.04), None, hair * 0.8, (), 0.6, ((-0.2, 0.0), (0.25, -0.3), (0.2, 0.4)))


def _ear(x: Plane, y: Plane) -> Body:
    side = joined(ellipse(x, y, 0.35, -0.1, 1.15, 1.05), capsule(x, y, (0.2, 0.6), (0.3, 1.4), 0.6, 0.6), rounding=0.2)
    pinna = _soft(ellipse(x, y, -0.05, 0.0, 0.36, 0.56), 0.03)
    hair = _soft(-y - 0.42 + 0.5 * x * x, 0.1) * _soft(x + 0.5, 0.15) + _soft(x - 0.52, 0.08) * _soft(0.35 - y, 0.1)
    shade = Paint(pinna * 0.4, tint=(0.98, 0.88, 0.86))
    groove = _ear_lines(x, y, -0.05, 0.0, 0.66)
    return Body(side, groove, np.clip(hair, 0, 1) * (1 - pinna), (shade,), 0.5, ((0.3, 0.3), (-0.05, 0.5), (0.3, -0.2)))


def _limb(top: float, bottom: float, bulge: float = 0.0, hair: float = 1.0) -> Callable[[Plane, Plane], Body]:
    def shape(x: Plane, y: Plane) -> Body:
        width = top + (bottom - top) * (y + 1) / 2 + bulge * np.exp(-((y + 0.3) ** 2) / 0.25)
        depth = width - np.abs(x - 0.06 * y)
        return Body(depth, None, None, (), 0.8 * top, ((0.05, -0.3), (-0.1, 0.35), (0.1, 0.7)), hair)

    return shape


def _inner_forearm(x: Plane, y: Plane) -> Body:
    body = _limb(0.50, 0.33, 0.02, hair=0.25)(x, y)
    creases = line(x, y, (-0.28, 0.82), (0.38, 0.80), 0.025) + line(x, y, (-0.45, -0.80), (0.45, -0.86), 0.035)
    veins = line(x, y, (-0.12, -0.6), (0.10, 0.75), 0.04) + line(x, y, (0.18, -0.5), (0.02, 0.3), 0.035)
    paints = (Paint(0.35 * veins, tint=(0.80, 0.92, 1.0)),)
    return Body(body.depth_HW, np.clip(creases, 0, 1) * 0.6, None, paints, 0.4, body.sites, 0.25)


def _elbow(x: Plane, y: Plane) -> Body:
    upper = capsule(x, y, (-0.75, -1.2), (0.12, -0.05), 0.46, 0.40)
    lower = capsule(x, y, (0.12, 0.05), (-0.70, 1.2), 0.40, 0.32)
    wrinkles = sum(line(x, y, (0.05 + 0.05 * abs(k), 0.10 * k), (0.40, 0.13 * k + 0.02), 0.022) for k in range(-2, 3))
    fold = line(x, y, (-0.55, 0.02), (-0.22, 0.0), 0.03)
    groove = np.clip(0.55 * np.asarray(wrinkles) + 0.8 * fold, 0, 1)
    dark = Paint(_soft(ellipse(x, y, 0.25, 0, 0.28, 0.34), 0.12) * 0.5, tint=(0.90, 0.80, 0.78))
    return Body(joined(upper, lower, rounding=0.12), groove, None, (dark,), 0.4, ((0.25, 0.0), (-0.1, -0.4)), 0.5)


_FINGERS = (
    (-0.34, 0.02, -0.55, -0.52),
    (-0.13, -0.06, -0.20, -0.80),
    (0.09, -0.06, 0.12, -0.84),
    (0.29, 0.0, 0.42, -0.66),
)


def _hand_outline(x: Plane, y: Plane) -> Plane:
    palm = joined(ellipse(x, y, -0.02, 0.25, 0.50, 0.46), capsule(x, y, (0, 0.5), (0, 1.4), 0.34, 0.32), rounding=0.2)
    fingers = [capsule(x, y, (ax, ay), (bx, by), 0.125, 0.095) for ax, ay, bx, by in _FINGERS]
    thumb = capsule(x, y, (0.38, 0.35), (0.78, -0.12), 0.16, 0.11)
    return joined(palm, *fingers, thumb, rounding=0.05)


def _hand(x: Plane, y: Plane) -> Body:
    tips = [(bx, by) for _, _, bx, by in _FINGERS] + [(0.78, -0.12)]
    nails = np.clip(sum(_soft(ellipse(x, y, bx, by - 0.01, 0.062, 0.085), 0.015) for bx, by in tips), 0, 1)
    knuckles = sum(
        line(
            x,
            y,
            (ax + t * (bx - ax) - 0.07, ay + t * (by - ay)),
            (ax + t * (bx - ax) + 0.07, ay + t * (by - ay)),
            0.025,
        )
        for ax, ay, bx, by in _FINGERS
        for t in (0.08, 0.55)
    )
    paints = (Paint(np.asarray(nails) * 0.8, tint=_NAIL), Paint(np.clip(0.5 * knuckles, 0, 1), tint=_DARKER))
    sites = ((0, 0.2), (-0.25, 0.0), (0.25, 0.05))
    return Body(_hand_outline(x, y), np.clip(knuckles, 0, 1) * 0.5, None, paints, 0.16, sites, 0.3)


def _palm(x: Plane, y: Plane) -> Body:
    lines = [((-0.40, 0.12), (0.30, 0.02)), ((-0.42, 0.30), (0.25, 0.18)), ((0.28, 0.14), (0.02, 0.62))]
    creases = sum(line(x, y, start, end, 0.028) for start, end in lines)
    for ax, ay, bx, by in _FINGERS:
        for t in (0.12, 0.42, 0.70):
            cx, cy = ax + t * (bx - ax), ay + t * (by - ay)
            creases = creases + line(x, y, (cx - 0.08, cy), (cx + 0.08, cy), 0.02)
    creases = np.clip(np.asarray(creases), 0, 1)
    paints = (Paint(0.6 * creases, tint=(0.82, 0.66, 0.62)),)
    return Body(_hand_outline(x, y), creases * 0.7, None, paints, 0.16, ((0, 0.3), (-0.2, 0.15), (0.25, 0.45)))


def _waist(x: Plane, y: Plane, width: float, flare: float) -> Plane:
    return np.asarray(width + flare * (y + 0.15) ** 2 - np.abs(x))


def _abdomen(x: Plane, y: Plane) -> Body:
    navel = _soft(ellipse(x, y, 0, 0.22, 0.05, 0.075), 0.03)
    middle = 0.25 * line(x, y, (0, -1), (0, 0.1), 0.05)
    ribs = 0.25 * (line(x, y, (-0.15, -0.75), (-0.7, -0.35), 0.08) + line(x, y, (0.15, -0.75), (0.7, -0.35), 0.08))
    paints = (Paint(navel * 0.8, tint=(0.55, 0.42, 0.40)),)
    return Body(_waist(x, y, 0.74, 0.12), navel + middle + ribs, None, paints, 0.6, ((-0.2, 0.3), (0.3, -0.2)), 0.3)


def _lower_back(x: Plane, y: Plane) -> Body:
    spine = line(x, y, (0, -1.2), (0, 0.5), 0.08)
    cleft = line(x, y, (0, 0.72), (0, 1.2), 0.05)
    dimples = _soft(ellipse(x, y, -0.22, 0.50, 0.06, 0.06), 0.05) + _soft(ellipse(x, y, 0.22, 0.50, 0.06, 0.06), 0.05)
    groove = np.clip(0.55 * spine + cleft + 0.4 * dimples, 0, 1)
    return Body(_waist(x, y, 0.70, 0.18), groove, None, (), 0.6, ((0.0, 0.45), (-0.2, 0.3), (0.25, 0.2)), 0.2)


def _torso(x: Plane, y: Plane) -> Plane:
    trunk = 0.80 - np.abs(x) - 0.05 * y
    arm = capsule(x, y, (-0.95, -0.45), (-1.15, 1.4), 0.25, 0.22)
    shoulders = joined(
        ellipse(x, y, 0, -0.15, 1.05, 0.62), capsule(x, y, (0, -0.6), (0, -1.4), 0.34, 0.3), rounding=0.3
    )
    return joined(np.minimum(trunk, y + 0.45), shoulders, arm, rounding=0.08)


def _chest(x: Plane, y: Plane) -> Body:
    x = x - 0.30
    nipples = [ellipse(x, y, cx, 0.42, 0.085, 0.085) for cx in (-0.42, 0.42)]
    areola = np.clip(_soft(nipples[0], 0.02) + _soft(nipples[1], 0.02), 0, 1)
    collar = line(x, y, (-0.08, -0.52), (-0.75, -0.66), 0.05) + line(x, y, (0.08, -0.52), (0.75, -0.66), 0.05)
    fold = line(x, y, (-0.68, 0.60), (-0.12, 0.66), 0.06) + line(x, y, (0.68, 0.60), (0.12, 0.66), 0.06)
    middle = line(x, y, (0, -0.4), (0, 1.2), 0.07)
    groove = np.clip(0.5 * collar + 0.3 * fold + 0.4 * middle, 0, 1)
    paints = (Paint(areola * 0.75, tint=(0.78, 0.58, 0.55)),)
    return Body(_torso(x, y), groove, None, paints, 0.5, ((-0.1, 0.0), (0.2, 0.6), (0.5, -0.2)), 0.6)


def _upper_back(x: Plane, y: Plane) -> Body:
    x = x - 0.30
    spine = line(x, y, (0, -0.6), (0, 1.2), 0.07)
    blades = line(x, y, (-0.55, -0.25), (-0.30, 0.35), 0.07) + line(x, y, (0.55, -0.25), (0.30, 0.35), 0.07)
    groove = np.clip(0.6 * spine + 0.4 * blades, 0, 1)
    return Body(_torso(x, y), groove, None, (), 0.5, ((-0.1, 0.2), (0.4, 0.5), (0.2, -0.3)), 0.15)


def _flank(x: Plane, y: Plane) -> Body:
    depth = 0.62 + 0.13 * np.cos(2.4 * y + 0.5) * np.sign(-x) - np.abs(x)
    ribs = sum(line(x, y, (-0.45, -0.75 + 0.2 * k), (0.45, -0.95 + 0.2 * k), 0.05) for k in range(4))
    groove = np.clip(0.22 * np.asarray(ribs) + 0.4 * line(x, y, (-0.3, 0.75), (0.5, 0.55), 0.06), 0, 1)
    return Body(depth, groove, None, (), 0.55, ((0, 0.3), (0.1, -0.4)), 0.15)


def _axilla(x: Plane, y: Plane) -> Body:
    trunk = capsule(x, y, (0.55, 1.5), (0.45, -0.2), 0.85, 0.72)
    arm = capsule(x, y, (0.30, -0.25), (-0.85, -1.1), 0.48, 0.36)
    pit = ellipse(x, y, -0.08, -0.02, 0.22, 0.30)
    groove = np.clip(line(x, y, (-0.32, 0.05), (0.15, -0.12), 0.05) + 0.5 * _soft(pit, 0.15), 0, 1)
    return Body(joined(trunk, arm, rounding=0.15), groove, _soft(pit, 0.12) * 0.45, (), 0.5, ((0.0, 0.1), (0.4, 0.5)))


def _knee(x: Plane, y: Plane) -> Body:
    depth = 0.50 + 0.06 * np.exp(-(y**2) / 0.12) - 0.05 * y - np.abs(x)
    cap = ellipse(x, y, 0, 0.0, 0.34, 0.38)
    ring = np.clip(1 - np.abs(cap) / 0.07, 0, 1)
    wrinkles = sum(line(x, y, (-0.22, 0.11 * k), (0.22, 0.11 * k + 0.02), 0.022) for k in range(-2, 3))
    groove = np.clip(0.4 * ring + 0.4 * np.asarray(wrinkles), 0, 1)
    dark = Paint(_soft(cap, 0.1) * 0.45, tint=(0.92, 0.82, 0.80))
    return Body(depth, groove, None, (dark,), 0.5, ((0.0, 0.0), (0.1, 0.35)), 0.5)


_TOES = ((-0.30, -0.62, 0.150), (-0.08, -0.70, 0.095), (0.09, -0.66, 0.088), (0.23, -0.57, 0.080), (0.35, -0.46, 0.072))


def _foot_outline(x: Plane, y: Plane, heel: float) -> Plane:
    front = ellipse(x, y, 0.0, -0.22, 0.44, 0.36)
    back = capsule(x, y, (0.02, -0.1), (-0.02, heel), 0.34, 0.30)
    toes = [capsule(x, y, (cx * 0.9, cy + 0.3), (cx, cy), radius, radius) for cx, cy, radius in _TOES]
    return joined(joined(front, back, rounding=0.2), *toes, rounding=0.04)


def _foot(x: Plane, y: Plane) -> Body:
    nails = np.clip(
        sum(_soft(ellipse(x, y, cx, cy - 0.25 * r, 0.62 * r, 0.55 * r), 0.015) for cx, cy, r in _TOES), 0, 1
    )
    bones = sum(line(x, y, (0.75 * cx, -0.25), (0.3 * cx, 0.35), 0.05) for cx, _, _ in _TOES)
    paints = (Paint(np.asarray(nails) * 0.8, tint=_NAIL),)
    return Body(_foot_outline(x, y, 1.4), 0.2 * np.asarray(bones), None, paints, 0.3, ((0, 0), (0.1, 0.5)), 0.2)


def _sole(x: Plane, y: Plane) -> Body:
    waist = 0.13 * np.exp(-((y - 0.2) ** 2) / 0.06) * (x > 0)
    creases = line(x, y, (-0.3, 0.05), (0.25, 0.15), 0.03) + line(x, y, (-0.2, 0.3), (0.1, 0.35), 0.025)
    paints = (Paint(_soft(ellipse(x, y, -0.08, 0.2, 0.16, 0.3), 0.15) * 0.4, tint=(1.04, 1.02, 1.0)),)
    return Body(_foot_outline(x, y, 0.62) - waist, 0.6 * creases, None, paints, 0.25, ((0, 0.6), (-0.1, -0.2)))


_SHAPES: dict[str, Callable[[Plane, Plane], Body]] = {
    "face": _face,
    "profile": _profile,
    "nape": _nape,
    "scalp": _scalp,
    "ear": _ear,
    "upper_arm": _limb(0.54, 0.46),
    "upper_arm_back": _limb(0.58, 0.44, 0.03, hair=0.4),
    "forearm": _limb(0.48, 0.31, 0.04),
    "forearm_inner": _inner_forearm,
    "elbow": _elbow,
    "hand": _hand,
    "palm": _palm,
    "chest": _chest,
    "abdomen": _abdomen,
    "upper_back": _upper_back,
    "lower_back": _lower_back,
    "flank": _flank,
    "axilla": _axilla,
    "thigh": _limb(0.70, 0.55, 0.02),
    "thigh_back": _limb(0.72, 0.52, 0.0, hair=0.7),
    "knee": _knee,
    "shin": _limb(0.46, 0.30, 0.02),
    "calf": _limb(0.42, 0.26, 0.14),
    "foot": _foot,
    "sole": _sole,
}


def body_of(shape: str, x: Plane, y: Plane) -> Body:
    """The outline and landmarks of a view's shape, left side, at photo coordinates."""
    return _SHAPES[shape](x, y)
