"""The table of units: complete, and with a slow reference for each."""

from typing import get_args

from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.units.table import UNITS
from tests.reference import every_score


def test_every_name_has_its_unit_and_its_reference() -> None:
    assert tuple(UNITS) == get_args(UnitName)
    assert all(unit.name == name for name, unit in UNITS.items())
    assert set(every_score.UNITS) == set(UNITS)
