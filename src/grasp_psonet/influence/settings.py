"""Settings of tracing."""

from dataclasses import dataclass
from typing import Any, get_args

from grasp_psonet.errors import SettingsError
from grasp_psonet.influence.choices import Counting, Curvature, Errors, QueryKind, UnitName
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.setting import STRICT, refuse_unless, setting


@dataclass(frozen=True)
class TraceSettings:
    """Which influence formula scores the training photos, what a photo means in its visit, and on which queries."""

    __pydantic_config__ = STRICT

    formula: FormulaName = setting(
        "cosine", ", ".join(f"{name} ({formula.help})" for name, formula in FORMULAS.items())
    )
    unit: UnitName = setting(
        "single",
        "a training photo as a bag of its own (single), its share of its visit's gradient (share), the visit with it "
        "against without it (edit), or every photo as its visit (visit)",
    )
    query: QueryKind = setting(
        "photo", "a validation error through its most-attended photo alone, or as the whole visit"
    )
    counting: Counting = setting(
        "even",
        "every photo at every anchor as if all visits had been drawn equally often (even) or as often as they were "
        "(checkpoints), or the photos of each step at that step, by replay (steps: one more training)",
    )
    errors: Errors = setting(
        "each_anchor",
        "validation errors traced: at every anchor of training those that the network made there (each_anchor), or those of "
        "the kept epoch, over the anchors up to it (kept)",
    )
    summed: bool = setting(False, "one score for all errors together instead of one for each")
    parameters: str | tuple[str, ...] = setting(
        "all", "parameters whose gradients count: all, head (attention and head), or a list of name patterns"
    )
    curvature: Curvature = setting(
        "exact", "formula unrolled only: exact Hessian-vector products, the empirical Fisher in their place, or none"
    )
    replay_tolerance: float = setting(
        0.0, "how far a replayed loss may be from the recorded one (0: bitwise; other machines need e.g. 1e-4)"
    )
    memory_mib: int = setting(
        4096, "memory for the directions of queries and for kept steps; more queries go in blocks"
    )
    drop_doubtful_queries: bool = setting(
        False, "leave out validation errors where the readers disagree or PASI lies within near_cutoff of a cut-off"
    )
    near_cutoff: float = setting(1.0, "PASI points around a cut-off that flag a query as doubtful")
    photos_per_batch: int = setting(48, "photos whose gradients are taken in one pass")

    def __post_init__(self) -> None:
        _refuse_unknown("formula", self.formula, FormulaName)
        _refuse_unknown("unit", self.unit, UnitName)
        _refuse_unknown("query", self.query, QueryKind)
        _refuse_unknown("errors", self.errors, Errors)
        _refuse_unknown("counting", self.counting, Counting)
        _refuse_unknown("curvature", self.curvature, Curvature)
        refuse_unless(self.near_cutoff >= 0, "trace.near_cutoff", self.near_cutoff, "0 or more PASI points")
        refuse_unless(self.photos_per_batch >= 1, "trace.photos_per_batch", self.photos_per_batch, "at least 1")
        refuse_unless(self.memory_mib >= 1, "trace.memory_mib", self.memory_mib, "at least 1 MiB")
        refuse_unless(self.replay_tolerance >= 0, "trace.replay_tolerance", self.replay_tolerance, "0 or more")
        refuse_unless(
            bool(self.parameters),
            "trace.parameters",
            self.parameters,
            "all, head, or a list of parameter name patterns",
        )
        _refuse_combinations(self)


def _refuse_unknown(name: str, value: str, choices: Any) -> None:
    """Settings made in Python meet no parser: a mistyped choice must not stand for another."""
    known = get_args(choices)
    refuse_unless(value in known, f"trace.{name}", value, "one of " + ", ".join(known))


def _refuse_combinations(settings: TraceSettings) -> None:
    formula = FORMULAS[settings.formula]
    unrolled = " or ".join(name for name, one in FORMULAS.items() if one.is_unrolled)
    if formula.needs_steps and settings.counting != "steps":
        raise SettingsError(
            f"trace.formula {formula.name} with trace.counting {settings.counting} is undefined: it needs the batch "
            "gradient of each step, which anchors do not hold\n  next: set trace.counting steps, or trace.formula adam"
        )
    if formula.is_unrolled and settings.parameters != "all":
        raise SettingsError(
            f"trace.formula {formula.name} with trace.parameters {settings.parameters!r}: a step carries every parameter "
            "into every other\n  next: set trace.parameters all"
        )
    if formula.is_unrolled and settings.errors != "kept":
        raise SettingsError(
            f"trace.formula {formula.name} with trace.errors {settings.errors} is undefined: it follows training back from "
            "the weights that were kept\n  next: set trace.errors kept"
        )
    if not formula.is_unrolled and settings.curvature != "exact":
        raise SettingsError(
            f"trace.curvature {settings.curvature!r} means something for trace.formula {unrolled} only; formula is "
            f"{formula.name!r}\n  next: leave trace.curvature at exact, or set trace.formula {unrolled}"
        )
