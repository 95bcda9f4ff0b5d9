"""The table of formulas: complete, readable without torch, and in agreement with what is written elsewhere about it."""

import subprocess
import sys
from typing import get_args, get_type_hints

import pytest

from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.directions import direction


def test_every_name_has_its_formula() -> None:
    assert tuple(FORMULAS) == get_args(FormulaName)
    assert all(formula.name == name and formula.help for name, formula in FORMULAS.items())


def test_the_table_is_read_without_torch() -> None:
    code = "import sys; import grasp_psonet.influence.formulas; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_audit_offers_those_that_give_photos_an_influence_on_themselves() -> None:
    usable = {name for name, formula in FORMULAS.items() if formula.why_no_self_influence is None}
    assert set(get_args(get_type_hints(AuditSettings)["formula"])) == usable
    assert all(FORMULAS[name].preconditioner is not None for name in usable)


def test_what_divides_by_a_norm_has_a_preconditioner_for_it() -> None:
    normed = [formula for formula in FORMULAS.values() if formula.is_divided_by_photo_norm]
    assert normed
    assert all(formula.preconditioner is not None for formula in normed)


def test_only_a_formula_without_a_direction_goes_back_through_all_steps() -> None:
    (unrolled,) = [formula for formula in FORMULAS.values() if formula.is_unrolled]
    assert unrolled.needs_steps
    assert not unrolled.is_loss_change_at_anchors
    with pytest.raises(TraceError, match="no direction of one step"):
        direction(unrolled, None, {})  # type: ignore[arg-type]


def test_settings_name_every_formula_in_their_help() -> None:
    help_text = TraceSettings.__dataclass_fields__["formula"].metadata["help"]
    assert all(f"{name} (" in help_text for name in FORMULAS)
