"""The 46 standard views of a visit: 8 of the head, 14 of the upper limbs, 10 of the trunk, 14 of the lower limbs."""

from dataclasses import dataclass

REGIONS = ("head", "upper_limbs", "trunk", "lower_limbs")


@dataclass(frozen=True)
class View:
    """One standard view; ``shape`` names its outline, ``side`` is left, right or middle."""

    code: str
    body_region: str
    side: str
    required: bool
    shape: str


def _both(shape: str, region: str, required: bool = True) -> tuple[View, View]:
    return (
        View(f"{shape}_left", region, "left", required, shape),
        View(f"{shape}_right", region, "right", required, shape),
    )


def _one(shape: str, region: str) -> tuple[View]:
    return (View(shape, region, "middle", True, shape),)


# Within a region, the order in which a shorter protocol takes its views.
_BY_REGION: dict[str, tuple[View, ...]] = {
    "head": (
        *_one("face", "head"),
        *_one("nape", "head"),
        *_both("profile", "head"),
        *_one("scalp", "head"),
        View("scalp_back", "head", "middle", False, "scalp"),
        *_both("ear", "head", required=False),
    ),
    "upper_limbs": (
        *_both("forearm", "upper_limbs"),
        *_both("elbow", "upper_limbs"),
        *_both("hand", "upper_limbs"),
        *_both("upper_arm", "upper_limbs"),
        *_both("forearm_inner", "upper_limbs"),
        *_both("upper_arm_back", "upper_limbs"),
        *_both("palm", "upper_limbs", required=False),
    ),
    "trunk": (
        *_one("abdomen", "trunk"),
        *_one("lower_back", "trunk"),
        *_both("chest", "trunk"),
        *_both("upper_back", "trunk"),
        *_both("flank", "trunk"),
        *_both("axilla", "trunk", required=False),
    ),
    "lower_limbs": (
        *_both("shin", "lower_limbs"),
        *_both("knee", "lower_limbs"),
        *_both("thigh", "lower_limbs"),
        *_both("calf", "lower_limbs"),
        *_both("thigh_back", "lower_limbs"),
        *_both("foot", "lower_limbs"),
        *_both("sole", "lower_limbs", required=False),
    ),
}
VIEWS: tuple[View, ...] = tuple(view for region in REGIONS for view in _BY_REGION[region])
VIEW_OF: dict[str, View] = {view.code: view for view in VIEWS}
_NUM_VIEWS = len(VIEWS)


def chosen_views(num_views: int) -> tuple[View, ...]:
    """The first views of every region, in the regions' proportions; from 4 views on, every region has at least one."""
    counts = dict.fromkeys(REGIONS, 0)
    for _ in range(num_views):
        open_regions = [region for region in REGIONS if counts[region] < len(_BY_REGION[region])]
        # The region that lags most behind its share comes next; an empty region comes before all others.
        lagging = max(open_regions, key=lambda region: (counts[region] == 0, _lag(region, counts[region], num_views)))
        counts[lagging] += 1
    return tuple(view for region in REGIONS for view in _BY_REGION[region][: counts[region]])


def _lag(region: str, count: int, num_views: int) -> float:
    return len(_BY_REGION[region]) * num_views / _NUM_VIEWS - count
