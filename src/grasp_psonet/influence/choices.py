"""The names that a trace is asked for by, as settings and arguments write them (formulas: ``influence.formulas``)."""

from typing import Literal

UnitName = Literal["single", "share", "edit", "visit"]
QueryKind = Literal["photo", "visit"]
Counting = Literal["even", "checkpoints", "steps"]
Errors = Literal["each_anchor", "kept"]
Curvature = Literal["exact", "fisher", "none"]
