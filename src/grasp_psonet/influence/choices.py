"""Names of the choices of a trace, as settings and arguments write them (those of formulas: ``influence.formulas``)."""

from typing import Literal

UnitName = Literal["single", "share", "edit", "visit"]
QueryKind = Literal["photo", "visit"]
Counting = Literal["even", "checkpoints", "steps"]
Pairs = Literal["top", "all", "none"]
Errors = Literal["each_anchor", "kept"]
Curvature = Literal["exact", "fisher", "none"]

ALL_QUERIES = "all"  # the id of the one query that stands for all
