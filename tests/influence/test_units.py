"""What one photo means inside a bag: every unit against a loop of whole gradients, and the laws between them."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
import timm
import torch
from torch import Tensor

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import TraceError
from grasp_psonet.influence.choices import UnitName
from grasp_psonet.influence.units.query_gradients import query_gradients
from grasp_psonet.influence.units.table import UNITS, cover_unit, unit_products
from grasp_psonet.influence.units.unit import UnitCoverage, UnitProducts
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.network.settings import NetworkSettings
from tests.long_forms import by_day
from tests.reference import units as reference
from tests.tiny_study import tiny_network

pytestmark = pytest.mark.long

NUM_DIRECTIONS, NUM_PRECONDITIONERS = 3, 2


def timm_network(name: str, **options: object) -> Callable[[str], BagNetwork]:
    def build(mask: str) -> BagNetwork:
        torch.manual_seed(4)
        encoder = timm.create_model(name, pretrained=False, num_classes=0, **options)
        card = EncoderCard(name, int(encoder.num_features), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "none")
        settings = NetworkSettings(feature_length=6, attention_hidden=4, head_hidden=5, projection="mlp", mask=mask)  # type: ignore[arg-type]
        network = BagNetwork(encoder, card, settings, Outcome()).double()
        with torch.no_grad():
            for weight in network.parameters():
                if weight.ndim <= 1 or weight.shape[0] == 1:
                    weight.uniform_(0.3, 1.2)
        return network

    return build


CONVNEXT = {"depths": (1, 1, 2, 1), "dims": (8, 12, 16, 20), "ls_init_value": 0.1}
VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
NETWORKS = {
    "tiny": (lambda mask: tiny_network(mask=mask), 8),
    "convnext": (timm_network("convnext_atto", **CONVNEXT), 32),
    "vit": (timm_network("vit_tiny_patch16_224", **VIT), 32),
}
SHAPES = {"mixed": (3, 1, 4), "alike": (3, 3), "one photo": (1,), "ones": (1, 1, 1), "two and five": (5, 2)}


class Case:
    """A network, a padded batch with an absent photo in the middle of its largest visit, and random directions."""

    def __init__(self, name: str, counts: tuple[int, ...] = (3, 1, 4), mask: str = "before", seed: int = 0) -> None:
        build, edge_px = NETWORKS[name]
        self.network = build(mask)
        torch.manual_seed(seed)
        num_slots = max(counts) + 1
        photos = torch.rand(len(counts), num_slots, 3, edge_px, edge_px, dtype=torch.float64)
        stored = torch.arange(num_slots) < torch.tensor(counts)[:, None]
        present = stored.clone()
        if max(counts) > 2:
            present[counts.index(max(counts)), 1] = False
        self.batch = BagBatch(photos, present, stored, torch.arange(len(counts)) % 3)
        parameters = dict(self.network.named_parameters())
        self.directions = {n: torch.randn(NUM_DIRECTIONS, *p.shape, dtype=p.dtype) for n, p in parameters.items()}
        self.preconditioners = {
            n: torch.rand(NUM_PRECONDITIONERS, *p.shape, dtype=p.dtype) for n, p in parameters.items()
        }

    def coverage(self, unit: UnitName, traced: str = "all") -> UnitCoverage:
        return cover_unit(unit, self.network, self.batch, traced)

    def products(self, unit: UnitName, batch: BagBatch | None = None, preconditioners: bool = True) -> UnitProducts:
        found = self.preconditioners if preconditioners else None
        return unit_products(self.network, batch or self.batch, self.coverage(unit), self.directions, found)


def gap(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())


def assert_equals_the_loop(case: Case, unit: UnitName) -> None:
    slow = reference.photo_gradients(case.network, unit, case.batch)
    wanted_dot, wanted_square = reference.dots(slow, case.directions), reference.squares(slow, case.preconditioners)
    assert wanted_dot.abs().amin(dim=0).min() > 1e-9, "a photo's gradient vanishes: nothing would be compared"
    found = case.products(unit)
    assert gap(found.dot_PQ, wanted_dot) < 1e-10
    assert found.squared_PM is not None
    assert gap(found.squared_PM, wanted_square) < 1e-10
    assert gap(case.products(unit, preconditioners=False).dot_PQ, wanted_dot) < 1e-10


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shape", SHAPES)
def test_units_equal_the_loop(unit: UnitName, shape: str) -> None:
    assert_equals_the_loop(Case("tiny", SHAPES[shape]), unit)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", ["convnext", "vit"])
def test_units_equal_the_loop_for_encoders(unit: UnitName, name: str) -> None:
    assert_equals_the_loop(Case(name, (2, 3)), unit)


@pytest.mark.parametrize("unit", UNITS)
def test_units_equal_the_loop_under_the_papers_mask(unit: UnitName) -> None:
    assert_equals_the_loop(Case("tiny", (3, 1, 4), mask="paper"), unit)


@pytest.mark.parametrize(
    ("name", "unit"),
    by_day(
        [("tiny", "single"), ("convnext", "share"), ("vit", "edit"), ("tiny", "visit")],
        product(["tiny", "convnext", "vit"], UNITS),
    ),
)
def test_float32_stays_close(unit: UnitName, name: str) -> None:
    case = Case(name, (2, 3))
    wanted = case.products(unit)
    case.network.float()
    case.directions = {n: d.float() for n, d in case.directions.items()}
    case.preconditioners = {n: m.float() for n, m in case.preconditioners.items()}
    found = case.products(unit)
    assert found.dot_PQ.dtype == torch.float32
    assert gap(found.dot_PQ.double(), wanted.dot_PQ) < 1e-4
    assert wanted.squared_PM is not None
    assert found.squared_PM is not None
    assert gap(found.squared_PM.double(), wanted.squared_PM) < 1e-4


@pytest.mark.parametrize("mask", ["before", "paper"])
@pytest.mark.parametrize("name", ["tiny", "convnext", "vit"])
def test_shares_and_rest_add_up_to_the_visit(name: str, mask: str) -> None:
    case = Case(name, (3, 1, 4), mask=mask)
    found = case.products("share", preconditioners=False)
    assert found.rest_BQ is not None
    whole = found.rest_BQ.index_add(0, case.batch.is_photo_BN.nonzero()[:, 0], found.dot_PQ)
    wanted = reference.dots(reference.visit_gradients(case.network, case.batch), case.directions)
    assert gap(whole, wanted) < 1e-10
    assert gap(whole - found.rest_BQ, wanted) > 1e-3, "the head takes no part: nothing was shown"


@pytest.mark.parametrize("unit", UNITS)
def test_order_split_padding_and_neighbours_change_nothing(unit: UnitName) -> None:
    case = Case("tiny", (3, 1, 4, 4))
    whole = case.products(unit)
    visit_P = case.batch.is_photo_BN.nonzero()[:, 0]

    def check(batch: BagBatch, photos: Tensor) -> None:
        found = case.products(unit, batch)
        assert gap(found.dot_PQ, whole.dot_PQ[photos]) < 1e-11
        assert whole.squared_PM is not None
        assert found.squared_PM is not None
        assert gap(found.squared_PM, whole.squared_PM[photos]) < 1e-11

    every = torch.arange(len(visit_P))
    order = torch.tensor([2, 0, 3, 1])
    check(rows(case.batch, order), torch.cat([every[visit_P == v] for v in order.tolist()]))
    for part in (slice(0, 1), slice(1, 4)):
        check(rows(case.batch, torch.arange(4)[part]), every[torch.isin(visit_P, torch.arange(4)[part])])
    backwards = BagBatch(
        case.batch.photos_BNCHW.flip(1),
        case.batch.is_photo_BN.flip(1),
        case.batch.is_stored_BN.flip(1),
        case.batch.label_B,
    )
    check(backwards, torch.cat([every[visit_P == v].flip(0) for v in range(4)]))
    junk = torch.where(case.batch.is_photo_BN[..., None, None, None], case.batch.photos_BNCHW, 7.0)
    check(replace(case.batch, photos_BNCHW=junk), every)
    other = case.batch.photos_BNCHW.clone()
    other[3] = 1 - other[3]
    changed = case.products(unit, replace(case.batch, photos_BNCHW=other))
    assert gap(changed.dot_PQ[visit_P < 3], whole.dot_PQ[visit_P < 3]) < 1e-11
    assert gap(changed.dot_PQ[visit_P == 3], whole.dot_PQ[visit_P == 3]) > 1e-3, "the neighbour did not change"


def rows(batch: BagBatch, chosen: Tensor) -> BagBatch:
    return BagBatch(
        *(getattr(batch, name)[chosen] for name in ("photos_BNCHW", "is_photo_BN", "is_stored_BN", "label_B"))
    )


def test_single_gives_attention_no_gradient_and_share_does() -> None:
    case = Case("tiny")
    assert case.coverage("single", "attention.*").names
    of_attention = {n: d for n, d in case.directions.items() if n.startswith("attention.")}
    for unit, is_zero in (("single", True), ("share", False)):
        coverage = case.coverage(unit, "attention.*")  # type: ignore[arg-type]
        found = unit_products(case.network, case.batch, coverage, of_attention)  # type: ignore[arg-type]
        assert bool((found.dot_PQ.abs() < 1e-15).all()) == is_zero


@pytest.mark.parametrize("unit", UNITS)
def test_coverage_counts_every_parameter(unit: UnitName) -> None:
    case = Case("vit", (2, 2))
    total = sum(p.numel() for p in case.network.parameters())
    assert sum(case.coverage(unit).numel_by_rule.values()) == total
    assert "not traced" not in case.coverage(unit).numel_by_rule
    assert str(case.coverage(unit)).startswith(f"{total:,} of {total:,} trained parameters in unit {unit} (")
    assert "local_vjp" not in case.coverage(unit).numel_by_rule, "the slow path would do, but the rules should"
    head = case.coverage(unit, "head")
    assert sum(head.numel_by_rule.values()) == total
    assert head.names == {n for n, _ in case.network.named_parameters() if n.startswith(("attention.", "head."))}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("traced", ["head", "head.*", "encoder.0.*,projection.*", "encoder.5.weight"])
def test_some_parameters_only(unit: UnitName, traced: str) -> None:
    case = Case("tiny")
    coverage = case.coverage(unit, traced)
    directions, preconditioners = (
        {n: v for n, v in values.items() if n in coverage.names} for values in (case.directions, case.preconditioners)
    )
    assert 0 < len(directions) < len(case.directions)
    slow = reference.photo_gradients(case.network, unit, case.batch)
    found = unit_products(case.network, case.batch, coverage, directions, preconditioners)
    assert found.squared_PM is not None
    wanted_dot, wanted_square = reference.dots(slow, directions), reference.squares(slow, preconditioners)
    if wanted_dot.abs().max() == 0:
        assert (unit, traced) == ("share", "head.*")
        assert (found.dot_PQ == 0).all()
        assert (found.squared_PM == 0).all()
        return
    assert gap(found.dot_PQ, wanted_dot) < 1e-10
    assert gap(found.squared_PM, wanted_square) < 1e-10


def test_no_directions_gives_squares_alone() -> None:
    case = Case("tiny")
    for unit in UNITS:
        found = unit_products(case.network, case.batch, case.coverage(unit), {}, case.preconditioners)
        assert found.dot_PQ.shape == (7, 0)
        assert found.squared_PM is not None
        assert gap(found.squared_PM, case.products(unit).squared_PM) < 1e-12  # type: ignore[arg-type]


def test_query_gradients_are_those_of_the_bag_or_its_one_photo() -> None:
    case = Case("tiny", (3, 1, 4))
    whole = query_gradients(case.network, [case.batch], "visit")
    wanted = reference.visit_gradients(case.network, case.batch)
    one = torch.zeros_like(case.batch.is_photo_BN)
    one[:, 0] = True
    queries = replace(case.batch, is_photo_BN=one)
    photo = query_gradients(
        case.network, [rows(queries, torch.tensor([0])), rows(queries, torch.tensor([1, 2]))], "photo"
    )
    wanted_photo = reference.photo_gradients(case.network, "single", queries)
    for name in case.directions:
        assert torch.allclose(whole[name], torch.stack([g[name] for g in wanted]), atol=1e-12)
        assert torch.allclose(photo[name], torch.stack([g[name] for g in wanted_photo]), atol=1e-12)
    assert query_gradients(case.network, [case.batch], "visit", ["head.2.bias"]).keys() == {"head.2.bias"}
    with pytest.raises(TraceError, match=r"rows \[0, 2\]"):
        query_gradients(case.network, [case.batch], "photo")


def test_what_cannot_be_asked_is_refused_by_name() -> None:
    case = Case("tiny")
    with pytest.raises(TraceError, match=r"directions and coverage differ by .*head\.0\.weight"):
        unit_products(
            case.network, case.batch, case.coverage("share"),
            {n: d for n, d in case.directions.items() if n != "head.0.weight"},
        )  # fmt: skip
    with pytest.raises(TraceError, match=r"\['backbone\.\*'\] fit no parameter"):
        case.coverage("single", "head.*, backbone.*")
    coverage = case.coverage("edit")
    case.network.train()
    with pytest.raises(TraceError, match="BatchNorm in training mode"):
        unit_products(case.network, case.batch, coverage, case.directions)
    with pytest.raises(TraceError, match="BatchNorm in training mode"):
        case.coverage("edit")


def test_nothing_is_left_on_the_network() -> None:
    case = Case("vit", (2, 1))
    before = {name: set(vars(module)) for name, module in case.network.named_modules()}
    fused = [torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()]
    for unit in UNITS:
        case.products(unit)
    assert fused == [torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()]
    for name, module in case.network.named_modules():
        assert set(vars(module)) == before[name]
        assert not module._forward_hooks
    assert all(p.grad is None and p.requires_grad for p in case.network.parameters())
