"""Settings of the photo store."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, newer_setting, refuse_unless, setting

Fit = Literal["resize", "crop", "pad"]
Damaged = Literal["stop", "skip"]
Duplicates = Literal["stop", "accept"]
_LARGEST_PX = 4096
MOST_MEGAPIXELS = 100
_LARGEST_MEGAPIXELS = 1000


@dataclass(frozen=True)
class PhotoSettings:
    """How photo files become the store."""

    __pydantic_config__ = STRICT

    edge_px: int = setting(224, "edge of the square photos in the store, pixels")
    fit: Fit = setting(
        "resize", "how a photo becomes a square: the whole one squeezed, the middle cropped, or padded with black"
    )
    root: str | None = setting(None, "folder that the paths of photos.csv start from; empty: the study folder")
    links: Literal["inside", "anywhere"] = setting(
        "inside", "whether links in the folder of photos may lead out of it: inside refuses them"
    )
    damaged: Damaged = setting(
        "stop",
        "photos that cannot be read: stop names all of them and ends; skip leaves them out and says so everywhere",
    )
    duplicates: Duplicates = setting(
        "stop", "the same photo under two visits, or nearly the same in two splits: stop, or accept and only say so"
    )
    most_megapixels: int = newer_setting(
        MOST_MEGAPIXELS,
        "largest photo that is decoded, in millions of pixels, 1 to 1000; in memory, up to 8 bytes a pixel and process",
    )

    def __post_init__(self) -> None:
        refuse_unless(16 <= self.edge_px <= _LARGEST_PX, "photos.edge_px", self.edge_px, f"16 to {_LARGEST_PX} pixels")
        refuse_unless(
            1 <= self.most_megapixels <= _LARGEST_MEGAPIXELS,
            "photos.most_megapixels",
            self.most_megapixels,
            f"1 to {_LARGEST_MEGAPIXELS} million pixels",
        )
