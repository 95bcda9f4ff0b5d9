"""Settings of the explanations."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grasp_psonet.errors import SettingsError
from grasp_psonet.setting import STRICT, newer_setting, refuse_unless, setting

Method = Literal["gradcam", "integrated_gradients", "occlusion"]
Sign = Literal["total", "erythema", "induration", "desquamation", "area"]
OF_CAPTUM: tuple[Method, ...] = ("integrated_gradients", "occlusion")  # methods that need the extra


@dataclass(frozen=True)
class ExplainSettings:
    """Which photos get maps, by which methods, and how the maps are checked."""

    __pydantic_config__ = STRICT

    flagged: int = setting(
        12, "training photos to map: those of the chosen keep list, then those that pruning takes next"
    )
    errors: int = setting(12, "validation errors of the kept epoch whose most-attended photo is mapped")
    methods: tuple[Method, ...] = setting(
        ("gradcam",), "maps of each photo: gradcam; integrated_gradients and occlusion need the extra explain"
    )
    random_orders: int = setting(
        2,
        "random orders of a photo's patches that deletion and insertion of its maps are held against (0: no such check); a map "
        "takes 14 passes of its photo, and 14 more for each order",
    )

    sign: Sign = newer_setting(
        "total",
        "what maps of severity.form regional explain: the total, or one sign (or the area) of the region that the photo shows",
    )

    def __post_init__(self) -> None:
        for name in ("flagged", "errors", "random_orders"):
            refuse_unless(getattr(self, name) >= 0, f"explain.{name}", getattr(self, name), "0 or more")
        refuse_unless(
            len(self.methods) > 0 and len(set(self.methods)) == len(self.methods),
            "explain.methods",
            self.methods,
            "one or more different ones of gradcam, integrated_gradients, occlusion",
        )


def refuse_without_captum(methods: Sequence[Method]) -> None:
    """Raises SettingsError where one of these methods needs captum and captum is not installed."""
    needing = [method for method in methods if method in OF_CAPTUM]
    if needing and importlib.util.find_spec("captum") is None:
        raise SettingsError(
            f"setting explain.methods names {', '.join(needing)}; the package captum, which makes them, is not installed\n"
            "  next: install the extra: grasp-psonet[explain], or set explain.methods to [gradcam]"
        )
