"""Settings of augmentation."""

from dataclasses import dataclass

from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class AugmentationSettings:
    """Random changes of training photos, keyed by (seed, epoch, draw, visit, photo)."""

    __pydantic_config__ = STRICT

    flip: bool = setting(False, "mirror left and right with probability one half")
    brightness: float = setting(0.0, "largest relative change of brightness, e.g. 0.1")
    contrast: float = setting(0.0, "largest relative change of contrast, e.g. 0.1")
    shift: float = setting(0.0, "largest shift as a fraction of the edge (edges are repeated)")

    variants: int = setting(
        8, "augmented copies kept of each photo where the encoder is frozen; a draw picks one by its key"
    )

    @property
    def is_on(self) -> bool:
        """Whether any of these changes is made."""
        return self.flip or bool(self.brightness or self.contrast or self.shift)

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "shift"):
            value = getattr(self, name)
            refuse_unless(0 <= value < 1, f"train.augmentation.{name}", value, "a fraction from 0 to below 1")
        refuse_unless(self.variants >= 1, "train.augmentation.variants", self.variants, "at least 1")
