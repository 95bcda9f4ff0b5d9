"""One encoder of each family: products are exact, or the trace is refused and names why, as the table in the docs says."""

import re
from pathlib import Path

import pytest
import torch

from benchmarks.families.encoders import FAMILIES, Family
from benchmarks.families.exactness import EXACT, judged
from grasp_psonet.influence.gradients import products as engine

PAGE = Path(__file__).parents[2] / "docs/encoders.md"
ROW = re.compile(r"^\| `(?P<model>\w+)` \| \d+ \| [\d,]+ \| (?P<verdict>exact|refused)", re.MULTILINE)
# one of each kind of layer and use that has cost an exception so far, the fast ones
FAST = {
    "beit_base_patch16_224",
    "cait_xxs24_224",
    "convit_tiny",
    "convnext_atto",
    "convnextv2_atto",
    "deit_tiny_distilled_patch16_224",
    "densenet121",
    "eva02_tiny_patch14_224",
    "mobilenetv3_small_050",
    "swin_tiny_patch4_window7_224",
}


def told() -> dict[str, str]:
    return {found["model"]: found["verdict"] for found in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def judged_as_told(family: Family) -> None:
    verdict = judged(family)
    assert verdict.in_words.split(":")[0] == told()[family.model], verdict.in_words


@pytest.mark.parametrize("family", [one for one in FAMILIES if one.model in FAST], ids=lambda one: one.model)
def test_products_are_exact_or_refused_as_the_table_says(family: Family) -> None:
    judged_as_told(family)


@pytest.mark.nightly
@pytest.mark.parametrize("family", [one for one in FAMILIES if one.model not in FAST], ids=lambda one: one.model)
def test_products_of_every_other_family(family: Family) -> None:
    judged_as_told(family)


def test_the_table_names_every_family() -> None:
    assert set(told()) == {family.model for family in FAMILIES}
    assert len(FAMILIES) >= 60
    assert {family.model for family in FAMILIES} >= FAST


def test_the_judge_sees_a_gradient_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bias, whose gradient is not added: far above what counts as exact."""
    family = next(one for one in FAMILIES if one.model == "convnext_atto")
    add = engine.ProductAccumulator.add

    def forgetful(self: engine.ProductAccumulator, name: str, gradient: torch.Tensor) -> None:
        if name != "head.fc.bias":
            add(self, name, gradient)

    monkeypatch.setattr(engine.ProductAccumulator, "add", forgetful)
    verdict = judged(family)
    assert verdict.gap is not None
    assert verdict.gap > 1000 * EXACT
    assert verdict.in_words.startswith("wrong")
