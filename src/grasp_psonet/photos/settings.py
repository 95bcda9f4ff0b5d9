"""Settings of the photo store."""

from dataclasses import dataclass

from grasp_psonet.setting import STRICT, refuse_unless, setting

_LARGEST_PX = 4096


@dataclass(frozen=True)
class PhotoSettings:
    """How photo files become the store."""

    __pydantic_config__ = STRICT

    edge_px: int = setting(224, "edge of the square photos in the store, pixels (the whole photo is resized to it)")
    root: str | None = setting(None, "folder that the paths of photos.csv start from; empty: the study folder")

    def __post_init__(self) -> None:
        refuse_unless(16 <= self.edge_px <= _LARGEST_PX, "photos.edge_px", self.edge_px, f"16 to {_LARGEST_PX} pixels")
