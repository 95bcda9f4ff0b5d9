"""Settings of the report."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class ReportSettings:
    """What of the photos the page holds, which may be handed on when the study may not."""

    __pydantic_config__ = STRICT

    photos: Literal["all", "faces_blurred", "faces_off", "none"] = setting(
        "all", "photos on the page: all, those of faces blurred and without maps, those of faces left out, or none"
    )
    faces: tuple[str, ...] = setting(
        ("face", "head"), "views, or body regions of views.csv, that show faces; a photo without a view counts as one"
    )

    def __post_init__(self) -> None:
        refuse_unless(
            all(name.strip() for name in self.faces), "report.faces", list(self.faces), "names of views or regions"
        )
