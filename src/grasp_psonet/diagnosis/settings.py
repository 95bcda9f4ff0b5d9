"""Settings of the diagnosis."""

from dataclasses import dataclass

from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class DiagnoseSettings:
    """What the flagged photos are compared in, and how surely."""

    __pydantic_config__ = STRICT

    permutations: int = setting(
        100,
        "permutations of the flags within class and view, for each trait: the smallest corrected p-value is one over it",
    )
    clusters: int = setting(12, "clusters of the photos' features that are compared, too (0: none)")
    gallery: int = setting(6, "photos shown of each finding, and as many neighbours that were not flagged")

    def __post_init__(self) -> None:
        refuse_unless(
            self.permutations >= 40, "diagnose.permutations", self.permutations, "at least 40, for p-values of .025"
        )
        refuse_unless(
            self.clusters == 0 or self.clusters >= 2, "diagnose.clusters", self.clusters, "at least 2, or 0 for none"
        )
        refuse_unless(self.gallery >= 1, "diagnose.gallery", self.gallery, "at least 1")
