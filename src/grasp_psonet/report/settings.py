"""Settings of the report."""

from dataclasses import dataclass
from typing import Literal

from grasp_psonet.setting import STRICT, newer_setting, refuse_unless, setting


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

    pictures: Literal["inside", "beside", "none"] = newer_setting(
        "inside", "thumbnails in the list of all photos: inside the page, in a folder beside it, or none"
    )
    list_thumbnails: bool = newer_setting(
        False, "whether the Excel lists of visits and photos hold a thumbnail in each row"
    )
    most_mb: float = newer_setting(
        24.0, "megabytes of pictures inside the page; thumbnails shrink until they fit, down to 24 pixels"
    )

    def __post_init__(self) -> None:
        refuse_unless(
            all(name.strip() for name in self.faces), "report.faces", list(self.faces), "names of views or regions"
        )
        refuse_unless(0 < self.most_mb < float("inf"), "report.most_mb", self.most_mb, "megabytes above 0, such as 24")
