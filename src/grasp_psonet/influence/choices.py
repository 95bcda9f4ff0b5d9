"""Names of the choices of a trace, as settings and arguments write them (those of formulas: ``influence.formulas``)."""

from typing import Literal

UnitName = Literal["single", "share", "edit", "visit"]
QueryKind = Literal["photo", "visit"]
Counting = Literal["even", "checkpoints", "steps"]
Errors = Literal["each_anchor", "kept"]
Curvature = Literal["exact", "fisher", "none"]
