"""Made-up errors with the photos that pushed them. Nothing in it was measured."""

import numpy as np

from grasp_psonet.report.sprites import sprites_of
from grasp_psonet.report.traced import Attended, Influence, Traced, TracedError, harmful_photos

EDGE_PX = 24


def influences(first: int, sign: int, number: int = 5) -> tuple[Influence, ...]:
    views = ("trunk front", None, "left leg back")
    return tuple(
        Influence(
            f"p-{4000 + first + i}",
            f"v-{(first + i) // 4:04d}",
            sign * 3.2e-4 / (1 + i),
            (first + i) % 3,
            views[i % 3],
            i < 4,
        )
        for i in range(number)
    )


def traced() -> Traced:
    """Four errors; the second and third share harmful photos, the last was right at the kept network and has none that held."""
    errors = tuple(
        TracedError(
            visit_id=f"v-{311 + i}",
            label=i % 3,
            predicted=(i + 1) % 3,
            loss=2.4 - 0.3 * i,
            of_kept=i < 3,
            num_anchors=5 - i,
            used=i != 2,
            attended=f"p-{9120 + i}",
            doubts=("readers disagree",) if i == 1 else (),
            strip=tuple(
                Attended(f"p-{9120 + i + 10 * j}", None if j == 4 else 0.4 / (1 + j), "head" if j else None)
                for j in range(5)
            ),
            harmful=influences(20 * i - 17 * (i == 2), -1),
            helpful=influences(100 + 20 * i, 1, 0 if i == 3 else 5),
        )
        for i in range(4)
    )
    return Traced(errors, harmful_photos(errors), most=10, num_scored=512, pictures=_pictures(errors))


def _pictures(errors: tuple[TracedError, ...]):
    ids = dict.fromkeys(one.photo_id for error in errors for one in (*error.strip, *error.harmful, *error.helpful))
    rng = np.random.default_rng(0)
    drawn = [(photo_id, rng.integers(0, 255, 3)) for photo_id in ids if photo_id != "p-4003"]
    pictures = [(("photo", photo_id), np.full((EDGE_PX, EDGE_PX, 3), tone, np.uint8)) for photo_id, tone in drawn]
    maps = [(("map", photo_id), np.full((EDGE_PX, EDGE_PX, 3), 250, np.uint8)) for photo_id, _ in drawn[::7]]
    return sprites_of([*pictures, *maps], EDGE_PX)
