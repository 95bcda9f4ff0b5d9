"""Settings of tracing."""

from dataclasses import dataclass

from grasp_psonet.influence.checks import STUDY, refuse_unusable
from grasp_psonet.influence.choices import Counting, Curvature, Errors, Pairs, QueryKind, UnitName
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.setting import STRICT, newer_setting, setting


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
    sum_queries: bool = setting(False, "the errors are traced as one: one score for all instead of one for each")
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
        False,
        "leave out validation errors where the readers disagree or the score lies within near_cutoff of a cut-off",
    )
    near_cutoff: float | None = setting(
        None,
        "points of the score around a cut-off that flag a query as doubtful; null: a fifth of the narrowest class (1 of PASI), "
        "and none where each class is a single whole score",
    )
    pairs: Pairs = newer_setting(
        "top",
        "beside the sum over the errors, which prune.rule together ranks by: the scores of single errors for the photos at "
        "both ends of that ranking (top), for no photo (none), or for every photo, which costs a product for each error (all; "
        "prune.rule each needs it)",
    )
    projection: int | None = newer_setting(
        None,
        "for many errors at once: the numbers that are kept of each parameter's gradient, by random projection (4096 is "
        "usual); scores are then estimates, told with their rank correlation to exact ones; null: exact",
    )
    projection_seed: int = newer_setting(0, "names the random matrices of trace.projection")
    photos_per_batch: int = setting(48, "photos whose gradients are taken in one pass")

    def __post_init__(self) -> None:
        refuse_unusable(vars(self), STUDY)
