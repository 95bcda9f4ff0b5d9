"""Settings of the explanations."""

from dataclasses import dataclass

from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class ExplainSettings:
    """Which photos get a Grad-CAM map."""

    __pydantic_config__ = STRICT

    flagged: int = setting(12, "training photos to map, those that pruning takes first")
    errors: int = setting(12, "validation errors of the kept epoch whose most-attended photo is mapped")

    def __post_init__(self) -> None:
        for name in ("flagged", "errors"):
            refuse_unless(getattr(self, name) >= 0, f"explain.{name}", getattr(self, name), "0 or more")
