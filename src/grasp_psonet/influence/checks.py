"""Choices that a trace refuses, said in the words of whoever made them: settings of a study, or arguments from Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from grasp_psonet.errors import SettingsError
from grasp_psonet.influence.choices import Counting, Curvature, Errors, Pairs, QueryKind, UnitName
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.tables.columns import NEAR_CUTOFF

_NAMES = {
    "formula": FormulaName,
    "unit": UnitName,
    "query": QueryKind,
    "errors": Errors,
    "counting": Counting,
    "pairs": Pairs,
    "curvature": Curvature,
}


@dataclass(frozen=True)
class Caller:
    """How a caller speaks of a choice: what it is to them, and what stands before its name."""

    kind: str
    prefix: str

    def refuse_unless(self, condition: bool, name: str, value: object, wanted: str) -> None:
        """Raises SettingsError naming the choice, the value seen and what is wanted."""
        if not condition:
            raise SettingsError(f"{self.kind} {self.prefix}{name} is {value!r}; wanted: {wanted}")


STUDY = Caller("setting", "trace.")
PYTHON = Caller("argument", "")


def refuse_unusable(given: Mapping[str, Any], caller: Caller) -> None:
    """Raises SettingsError for values out of range, mistyped names, and combinations that mean nothing.

    ``given`` holds every field of ``TraceSettings`` by name. Choices made in Python meet no parser: a mistyped one must not
    stand for another.
    """
    for name, kind in _NAMES.items():
        known = get_args(kind)
        caller.refuse_unless(given[name] in known, name, given[name], "one of " + ", ".join(known))
    near, batch, memory = given[NEAR_CUTOFF], given["photos_per_batch"], given["memory_mib"]
    tolerance, parameters = given["replay_tolerance"], given["parameters"]
    caller.refuse_unless(near is None or near >= 0, "near_cutoff", near, "0 or more points of the score")
    caller.refuse_unless(batch >= 1, "photos_per_batch", batch, "at least 1")
    caller.refuse_unless(memory >= 1, "memory_mib", memory, "at least 1 MiB")
    caller.refuse_unless(tolerance >= 0, "replay_tolerance", tolerance, "0 or more")
    caller.refuse_unless(bool(parameters), "parameters", parameters, "all, head, or a list of parameter name patterns")
    kept = given["projection"]
    caller.refuse_unless(
        kept is None or kept >= 1, "projection", kept, "at least 1 number of each parameter's gradient"
    )
    _refuse_combinations(given, caller.prefix)
    if kept is not None:
        _refuse_projected(given, caller.prefix)


def _refuse_combinations(given: Mapping[str, Any], at: str) -> None:
    """``at`` stands before the name of each choice."""
    formula = FORMULAS[given["formula"]]
    unrolled = " or ".join(name for name, one in FORMULAS.items() if one.is_unrolled)
    if formula.needs_steps and given["counting"] != "steps":
        raise SettingsError(
            f"{at}formula {formula.name} with {at}counting {given['counting']} is undefined: it needs the batch gradient of "
            f"each step, which anchors do not hold\n  next: set {at}counting steps, or {at}formula adam"
        )
    if formula.is_unrolled and given["parameters"] != "all":
        raise SettingsError(
            f"{at}formula {formula.name} with {at}parameters {given['parameters']!r}: a step carries every parameter into "
            f"every other\n  next: set {at}parameters all"
        )
    if formula.is_unrolled and given["errors"] != "kept":
        raise SettingsError(
            f"{at}formula {formula.name} with {at}errors {given['errors']} is undefined: it follows training back from the "
            f"weights that were kept\n  next: set {at}errors kept"
        )
    if not formula.is_unrolled and given["curvature"] != "exact":
        raise SettingsError(
            f"{at}curvature {given['curvature']!r} means something for {at}formula {unrolled} only; formula is "
            f"{formula.name!r}\n  next: leave {at}curvature at exact, or set {at}formula {unrolled}"
        )


def _refuse_projected(given: Mapping[str, Any], at: str) -> None:
    """Where gradients cannot be projected, or nothing is won by it."""
    unrolled = FORMULAS[given["formula"]].is_unrolled
    reasons = {
        "formula": "derivatives are carried back whole through every step" if unrolled else None,
        "unit": "it differentiates along each direction and forms no gradient" if given["unit"] == "edit" else None,
        "sum_queries": "one direction for all costs no more when it is exact" if given["sum_queries"] else None,
        "pairs": "one direction for all costs no more when it is exact" if given["pairs"] != "all" else None,
    }
    instead = {"formula": "adam", "unit": "single, share or visit", "sum_queries": "False", "pairs": "all"}
    for name, reason in reasons.items():
        if reason is not None:
            raise SettingsError(
                f"{at}projection {given['projection']} with {at}{name} {given[name]}: {reason}\n"
                f"  next: set {at}{name} {instead[name]}, or leave {at}projection out"
            )
