"""One photo from its plan: a pure function of the plan, so that any process can draw any photo. Axes: C, H, W; K hairs."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from grasp_psonet import chance
from grasp_psonet.cohort.synthetic import fault_looks
from grasp_psonet.cohort.synthetic.drawing import camera
from grasp_psonet.cohort.synthetic.drawing.body import Body, body_of
from grasp_psonet.cohort.synthetic.drawing.lesions import Lesion, Plaques, layout, plaques_of, redden, relief, scale_of
from grasp_psonet.cohort.synthetic.drawing.noise import Plane, enlarged, smooth_noise, smoothstep
from grasp_psonet.cohort.synthetic.drawing.skin import Person
from grasp_psonet.cohort.synthetic.protocol import VIEW_OF

OBJECT = "object"  # drawn_view of a photo that shows no body at all
_LIGHT = (-0.55, -0.75)  # where light comes from: above, a little left


@dataclass(frozen=True)
class PhotoPlan:
    """Everything that determines a photo.

    ``drawn_view`` is the view that is really shown (another one than asked for where the fault is wrong_part).
    ``body_key`` names the chance of what stays the same at every visit (plaque places, moles), ``photo_key`` that of
    this photo (pose, light, noise). ``strength`` is that of the fault (``fault_looks``). ``copy_of`` is the plan of the photo
    that a duplicate repeats.
    """

    person: Person
    drawn_view: str
    lesion: Lesion
    edge_px: int
    device: str
    body_key: tuple[str | int, ...]
    photo_key: tuple[str | int, ...]
    fault: str = "none"
    strength: float = 1.0
    copy_of: "PhotoPlan | None" = None


def draw_photo(plan: PhotoPlan) -> np.ndarray:
    """The photo as uint8 [H, W, C]."""
    rng = chance.generator(*plan.photo_key)
    if plan.copy_of is not None:
        return _copied(rng, draw_photo(plan.copy_of))
    rgb_CHW = _still_life(rng, plan.edge_px) if plan.drawn_view == OBJECT else _skin(rng, plan)
    rgb_CHW = camera.lit(rng, rgb_CHW)
    rgb_CHW = fault_looks.on_light(rng, rgb_CHW, plan.fault, plan.strength)
    pixels_HWC = camera.developed(rng, rgb_CHW, plan.device, fault_looks.extra_noise(plan.fault, plan.strength))
    look = fault_looks.OF_PICTURE.get(plan.fault)
    return pixels_HWC if look is None else look(rng, pixels_HWC, plan.strength)


def posed(rng: np.random.Generator, plan: PhotoPlan) -> tuple[Body, tuple[Plane, Plane]]:
    """The body as the phone was held, and the body coordinates x [H, W] and y [H, W] of every pixel.

    ``rng`` is that of the plan's ``photo_key``, of which the pose is the first draw.
    """
    view = VIEW_OF[plan.drawn_view]
    pose = camera.held(rng, zoom=fault_looks.zoomed_out(plan.strength) if plan.fault == "background" else 1.0)
    x_HW, y_HW = camera.seen_from(pose, plan.edge_px, mirrored=view.side == "right")
    return body_of(view.shape, x_HW, y_HW), (x_HW, y_HW)


def _layout_seen(seen: tuple[Plane, Plane], plan: PhotoPlan, body: Body) -> Plane:
    """The plaque layout of the body, looked up where the pose puts each pixel (the nearest cell of a fine grid)."""
    field_HW = layout(chance.generator(*plan.body_key, "plaques"), plan.edge_px, body.sites)
    column, row = (np.clip((axis + 1) * (plan.edge_px / 2), 0, plan.edge_px - 1).astype(np.int32) for axis in seen)
    return np.asarray(field_HW[row, column])


def plaques_seen(seen: tuple[Plane, Plane], plan: PhotoPlan, body: Body) -> tuple[Plaques, Plane]:
    """The plaques, and where skin is, 0..1 [H, W]."""
    skin_HW = smoothstep(body.depth_HW, -2 / plan.edge_px, 2 / plan.edge_px)
    return plaques_of(_layout_seen(seen, plan, body), skin_HW, plan.lesion.area_fraction), skin_HW


def _skin(rng: np.random.Generator, plan: PhotoPlan) -> Plane:
    body, seen = posed(rng, plan)
    edge_px, person, lesion = plan.edge_px, plan.person, plan.lesion
    plaques, skin_HW = plaques_seen(seen, plan, body)
    scale_HW = scale_of(rng, plaques, lesion)

    mottle_HW = 0.7 * smooth_noise(rng, edge_px, 9) + 0.5 * smooth_noise(rng, edge_px, 28)
    pores_HW = smooth_noise(rng, edge_px, edge_px / 2.2)
    blush_C = np.array([0.012, 0.030, 0.028], np.float32)
    rgb_CHW = person.skin(VIEW_OF[plan.drawn_view].shape)[:, None, None] * (
        1 - blush_C[:, None, None] * mottle_HW[None]
    )
    for paint in body.paints:
        rgb_CHW = _painted(rgb_CHW, paint.alpha_HW, paint.tint, paint.colour)
    rgb_CHW = _with_moles(plan, seen, rgb_CHW)
    rgb_CHW = redden(rgb_CHW, plaques, lesion, person, mottle_HW)
    rgb_CHW = rgb_CHW + scale_HW[None] * (person.scale[:, None, None] * (1 + 0.05 * pores_HW[None]) - rgb_CHW)

    t_HW = np.clip(body.depth_HW / np.float32(body.rounding), 0, 1)
    height_HW = np.float32(0.42 * body.rounding) * (1 - (1 - t_HW) ** 2) + relief(plaques, lesion, scale_HW)
    height_HW += np.float32(0.0011 * 128 / edge_px) * pores_HW
    shade_HW = _shading(height_HW) * (0.80 + 0.20 * np.sqrt(t_HW))
    if body.groove_HW is not None:
        shade_HW = shade_HW * (1 - 0.30 * body.groove_HW)
    rgb_CHW = rgb_CHW * shade_HW[None] + np.float32(0.10) * np.clip(shade_HW - 1.12, 0, 1)[None]

    hair_HW = _fine_hair(plan, edge_px, body)
    if hair_HW is not None:
        rgb_CHW = rgb_CHW + (hair_HW * skin_HW)[None] * (person.hair[:, None, None] - rgb_CHW)
    if body.hair_HW is not None:
        rgb_CHW = _with_head_hair(rng, rgb_CHW, body.hair_HW, person, plaques.cover_HW)

    behind_CHW = _behind(rng, plan)
    shadow_HW = 1 - 0.30 * smoothstep(body.depth_HW, -0.16, 0.0)
    return behind_CHW * (shadow_HW * (1 - skin_HW))[None] + rgb_CHW * skin_HW[None]


def _behind(rng: np.random.Generator, plan: PhotoPlan) -> Plane:
    """The background [C, H, W]; a fault of it fades into a wall below strength 1 (above, it only shows more of itself)."""
    if plan.fault != "background":
        return camera.wall(rng, plan.edge_px)
    loud_CHW = camera.loud_background(rng, plan.edge_px)
    if plan.strength >= 1:
        return loud_CHW
    wall_CHW = camera.wall(rng, plan.edge_px)
    return np.asarray(wall_CHW + np.float32(plan.strength) * (loud_CHW - wall_CHW))


def _painted(
    rgb_CHW: Plane, alpha_HW: Plane, tint: tuple[float, float, float] | None, colour: tuple[float, float, float] | None
) -> Plane:
    if tint is not None:
        change_C = np.array(tint, np.float32) - 1
        return np.asarray(rgb_CHW * (1 + change_C[:, None, None] * alpha_HW[None]))
    assert colour is not None, "a paint tints or covers"
    return rgb_CHW + alpha_HW[None] * (np.array(colour, np.float32)[:, None, None] - rgb_CHW)


def _shading(height_HW: Plane) -> Plane:
    """Brightness of a surface under light from the upper left: 1 where it faces the camera."""
    per_px = np.float32(height_HW.shape[0] / 4)
    slope_y, slope_x = np.zeros_like(height_HW), np.zeros_like(height_HW)
    slope_y[1:-1] = (height_HW[2:] - height_HW[:-2]) * per_px
    slope_x[:, 1:-1] = (height_HW[:, 2:] - height_HW[:, :-2]) * per_px
    facing = np.float32(_LIGHT[0]) * slope_x + np.float32(_LIGHT[1]) * slope_y
    return np.clip(1 - 0.34 * facing, 0.45, 1.35)


def _with_moles(plan: PhotoPlan, seen: tuple[Plane, Plane], rgb_CHW: Plane) -> Plane:
    """A few brown spots that belong to the body."""
    rng = chance.generator(*plan.body_key, "moles")
    x_HW, y_HW = seen
    rgb_CHW = rgb_CHW.copy()
    for _ in range(int(rng.integers(0, 5))):
        cx, cy = rng.uniform(-0.7, 0.7, 2)
        radius = rng.uniform(0.012, 0.030)
        reach_HW = (x_HW - np.float32(cx)) ** 2 + (y_HW - np.float32(cy)) ** 2
        spot = reach_HW < radius**2
        alpha_N = np.clip(2.2 - reach_HW[spot] * np.float32(2.2 / radius**2), 0, 1)
        rgb_CHW[:, spot] *= 1 - np.array([0.40, 0.52, 0.55], np.float32)[:, None] * alpha_N
    return rgb_CHW


def _fine_hair(plan: PhotoPlan, edge_px: int, body: Body) -> Plane | None:
    """Opacity of fine hair strokes where this view and person have them."""
    density = body.fine_hair * plan.person.hairiness
    if density < 0.08:
        return None
    rng = chance.generator(*plan.body_key, "hair")
    size = 2 * edge_px
    canvas = Image.new("L", (size, size))
    draw = ImageDraw.Draw(canvas)
    num_hairs = int(260 * density)
    start_K2 = rng.uniform(0, size, (num_hairs, 2))
    turn_K = rng.normal(1.35, 0.35, num_hairs)
    length_K = rng.uniform(0.03, 0.075, num_hairs) * size
    bend_K = rng.normal(0, 0.25, num_hairs)
    for start, turn, length, bend in zip(start_K2, turn_K, length_K, bend_K, strict=True):
        middle = start + 0.5 * length * np.array([np.cos(turn), np.sin(turn)])
        end = middle + 0.5 * length * np.array([np.cos(turn + bend), np.sin(turn + bend)])
        draw.line([*start, *middle, *end], fill=255, width=max(1, size // 300))
    return np.asarray(canvas.reduce(2), np.float32) * np.float32(0.42 / 255)


def _with_head_hair(rng: np.random.Generator, rgb_CHW: Plane, hair_HW: Plane, person: Person, cover_HW: Plane) -> Plane:
    """Dense hair of the head: strands that let plaques show through."""
    edge_px = hair_HW.shape[0]
    strands_HW = 0.6 * smooth_noise(rng, edge_px, 10, edge_px / 2.5) + 0.5 * smooth_noise(rng, edge_px, 5, edge_px / 5)
    opacity_HW = np.clip(hair_HW * (0.90 + 0.16 * strands_HW) - 0.50 * cover_HW * hair_HW, 0, 1)
    sheen_HW = np.clip(1.0 + 0.30 * strands_HW, 0.3, 2.0)
    return rgb_CHW + opacity_HW[None] * (person.hair[:, None, None] * sheen_HW[None] - rgb_CHW)


def _still_life(rng: np.random.Generator, edge_px: int) -> Plane:
    """No body at all: a mug or a box on a table."""
    upright = camera.Pose(float(rng.normal(0, 0.1)), float(rng.uniform(0.9, 1.2)), *rng.normal(0, 0.1, 2).tolist())
    x_HW, y_HW = camera.seen_from(upright, edge_px, mirrored=bool(rng.random() < 0.5))
    table_HW = smoothstep(y_HW, 0.28, 0.32)
    wood_HW = 1 + 0.10 * enlarged(rng.standard_normal((40, 3), dtype=np.float32), edge_px)
    rgb_CHW = camera.wall(rng, edge_px)
    rgb_CHW = rgb_CHW + table_HW[None] * (np.array([0.52, 0.36, 0.24], np.float32)[:, None, None] * wood_HW - rgb_CHW)
    colour = np.array(((0.25, 0.42, 0.62), (0.75, 0.28, 0.24), (0.86, 0.84, 0.78))[int(rng.integers(3))], np.float32)
    body_HW = np.minimum(0.38 - np.abs(x_HW), 0.50 - np.abs(y_HW - 0.05))
    ring_HW = 0.06 - np.abs(np.sqrt((x_HW - 0.40) ** 2 + (y_HW - 0.02) ** 2) - 0.22)
    round_HW = np.sqrt(np.clip(1 - (x_HW / 0.42) ** 2, 0.1, 1)) * (1 - 0.25 * x_HW)
    for depth_HW, shade_HW in ((ring_HW, 0.8 * np.ones_like(x_HW)), (body_HW, round_HW)):
        alpha_HW = smoothstep(depth_HW, -0.01, 0.01)
        rgb_CHW = rgb_CHW + alpha_HW[None] * (colour[:, None, None] * shade_HW[None] - rgb_CHW)
    return np.asarray(rgb_CHW, np.float32)


def _copied(rng: np.random.Generator, pixels_HWC: np.ndarray) -> np.ndarray:
    """The same photo once more: cropped by a few percent and brought back to size."""
    edge_px = pixels_HWC.shape[0]
    photo = Image.fromarray(pixels_HWC)
    return np.asarray(photo.resize((edge_px, edge_px), Image.Resampling.BICUBIC, box=copied_box(rng, edge_px)))


def copied_box(rng: np.random.Generator, edge_px: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels of what a duplicate shows of its photo; the first draw of its ``photo_key``."""
    left, top, right, bottom = rng.uniform(0.01, 0.05, 4) * edge_px
    return float(left), float(top), float(edge_px - right), float(edge_px - bottom)
