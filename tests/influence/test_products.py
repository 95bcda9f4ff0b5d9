"""Products of per-example gradients against a loop of autograd, over the layer kinds of the encoders we support."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import GroupNorm1Act, GroupNormAct, LayerNormAct, LayerNormAct2d
from torch import Tensor, nn
from torch.nn import functional

from grasp_psonet.errors import TraceError
from grasp_psonet.influence.gradients import contraction
from grasp_psonet.influence.gradients.coupling import refuse_coupling
from grasp_psonet.influence.gradients.coverage import Coverage, cover
from grasp_psonet.influence.gradients.products import Products, products, query_blocks
from tests.long_forms import nightly
from tests.reference import photo_gradients as reference

pytestmark = pytest.mark.long

NUM_EXAMPLES, NUM_DIRECTIONS, NUM_PRECONDITIONERS = 3, 4, 2


class Exotic(nn.Module):
    """Own parameters used directly, tied weights, a module called twice, one never called, a layer used from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, 1, 6))
        self.mix = nn.Linear(6, 6)
        self.tied = nn.Linear(6, 6, bias=False)
        self.tied.weight = self.mix.weight
        self.twice = nn.Linear(6, 6)
        self.borrowed = nn.Linear(6, 6)
        self.never = nn.Linear(6, 6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.windows = nn.Linear(6, 3)
        self.conv = nn.Conv1d(3, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2)[:, :, :6] * self.start.sin()
        x = self.tied(self.mix(x).relu_())
        x = self.twice(torch.tanh(self.twice(x)))
        x = x + functional.linear(x, self.borrowed.weight, self.borrowed.bias)
        x = self.attention(x, x, x, need_weights=False)[0]
        x = self.windows(x.reshape(-1, 1, 6)).reshape(len(x), -1, 3)
        return self.conv(x.transpose(1, 2)).flatten(1)


class Convolutions(nn.Module):
    """The corners of convolution and of group normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, dilation=2),
            nn.GELU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=2),
            nn.GroupNorm(4, 8),
            nn.Conv2d(8, 16, (3, 5), stride=2, padding=(0, 3), dilation=(2, 1), groups=8),
            nn.GELU(),
            nn.Conv2d(16, 6, (3, 5), padding="same", bias=False),
            nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"),
            Conv2dSame(6, 6, 3, stride=2, groups=6),
            nn.GELU(),
            nn.Conv2d(6, 5, 2, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).mean((2, 3))


class NormsWithActivation(nn.Module):
    """timm's norms that apply an activation themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            GroupNormAct(8, num_groups=4, act_layer=nn.GELU),
            nn.Conv2d(8, 6, 1),
            LayerNormAct2d(6, inplace=False),  # in place, on a view, it goes the slower way
            nn.Conv2d(6, 6, 1),
            GroupNorm1Act(6, act_layer=nn.SiLU),
        )
        self.last = nn.Sequential(LayerNormAct(6), nn.Linear(6, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layers(x).mean((2, 3)))


def timm_model(name: str, **options: object) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False, **options)


SMALL = {"depths": (1, 1, 2, 1), "dims": (8, 12, 16, 20)}
VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "num_classes": 3}
SWIN = {"img_size": 32, "window_size": 4, "embed_dim": 12, "depths": (1, 2), "num_heads": (2, 2)}
DEMO_CONVNEXT = {"depths": (1, 1, 3, 1), "dims": (16, 32, 64, 128), "ls_init_value": 0.1}
DEMO_VIT = {"img_size": 64, "patch_size": 16, "embed_dim": 96, "depth": 4, "num_heads": 3}
NETWORKS = {
    "convnext": (timm_model("convnext_tiny", num_classes=3, **SMALL), 32),
    "convnext conv_mlp": (timm_model("convnext_atto", num_classes=3, **SMALL), 32),
    "convnextv2": (timm_model("convnextv2_atto", num_classes=3, **SMALL), 32),
    "convnextv2 linear": (timm_model("convnextv2_tiny", num_classes=3, **SMALL), 32),
    "vit": (timm_model("vit_tiny_patch16_224", init_values=0.1, reg_tokens=2, **VIT), 32),
    "vit no_embed_class": (timm_model("deit3_small_patch16_224", reg_tokens=2, **VIT), 32),
    "eva": (timm_model("eva02_tiny_patch14_224", **{**VIT, "img_size": 28, "patch_size": 14}), 28),
    "resnet10t": (timm_model("resnet10t", num_classes=3, channels=(8, 12, 16, 20)), 32),
    "resnet18": (timm_model("resnet18", num_classes=3, channels=(8, 12, 16, 20)), 32),
    "mobilenetv2": (timm_model("mobilenetv2_035", num_classes=3), 32),
    "mobilenetv3": (timm_model("mobilenetv3_small_050", num_classes=3), 32),
    "tf_mobilenetv3": (timm_model("tf_mobilenetv3_small_minimal_100", num_classes=3), 33),
    "efficientnet_lite": (timm_model("efficientnet_lite0", num_classes=3), 32),
    "swin": (timm_model("swin_tiny_patch4_window7_224", num_classes=3, **SWIN), 32),
    "demo convnext": (timm_model("convnext_atto", num_classes=3, **DEMO_CONVNEXT), 64),
    "demo vit": (timm_model("vit_tiny_patch16_224", num_classes=3, **DEMO_VIT), 64),
    "norms with activation": (NormsWithActivation, 9),
    "convolutions": (Convolutions, 37),
    "exotic": (Exotic, 4),
}

WITHOUT_RULES = ("eva", "swin", "convolutions", "exotic")


@dataclass
class Case:
    network: nn.Module
    photos: Tensor
    labels: Tensor
    names: list[str]
    directions: dict[str, Tensor]
    preconditioners: dict[str, Tensor]

    def losses(self, rows: slice | Tensor = slice(None)) -> Callable[[nn.Module], Tensor]:
        return lambda network: functional.cross_entropy(network(self.photos[rows]), self.labels[rows], reduction="none")

    def coverage(self) -> Coverage:
        return cover(self.network, self.losses(slice(2)), self.names)

    def products(
        self, rows: slice | Tensor = slice(None), *, preconditioners: bool = True, wants_gram: bool = False
    ) -> Products:
        found = self.preconditioners if preconditioners else None
        return products(self.network, self.losses(rows), self.coverage(), self.directions, found, wants_gram=wants_gram)


def randomise(network: nn.Module) -> None:
    """No gradient may hide behind a zero: norms, layer-scales, tokens, biases and frozen statistics are drawn."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in network.parameters():
        if parameter.ndim <= 1 or parameter.shape[0] == 1:
            parameter.data.uniform_(0.3, 1.2)


def case(name: str, dtype: torch.dtype = torch.float64, num_examples: int = NUM_EXAMPLES) -> Case:
    torch.manual_seed(3)
    build, edge_px = NETWORKS[name]
    network = build().to(dtype).eval()
    randomise(network)
    photos = torch.randn(num_examples, 3, edge_px, edge_px, dtype=dtype)
    labels = torch.arange(num_examples) % 3
    parameters = dict(network.named_parameters())
    directions = {n: torch.randn(NUM_DIRECTIONS, *p.shape, dtype=dtype) for n, p in parameters.items()}
    preconditioners = {n: torch.rand(NUM_PRECONDITIONERS, *p.shape, dtype=dtype) for n, p in parameters.items()}
    return Case(network, photos, labels, list(parameters), directions, preconditioners)


def gap(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())


# full-size networks of layers that smaller ones have too
LARGE = ("efficientnet_lite", "mobilenetv2", "tf_mobilenetv3")


@pytest.mark.parametrize("name", [nightly(name) if name in LARGE else name for name in NETWORKS])
def test_products_equal_the_loop(name: str) -> None:
    c = case(name)
    slow = reference.gradient_of_each(c.network, c.losses(), c.names)
    directions, preconditioners = [c.directions[n] for n in c.names], [c.preconditioners[n] for n in c.names]
    vanishing = [n for n, g in zip(c.names, slow, strict=True) if g.flatten(1).norm(dim=1).min() == 0]
    assert all(n.startswith("never") for n in vanishing), f"gradients vanish, nothing would be compared: {vanishing}"
    coverage = c.coverage()
    assert sum(coverage.numel_by_rule.values()) == sum(p.numel() for p in c.network.parameters())
    assert name in WITHOUT_RULES or "local_vjp" not in coverage.numel_by_rule, (
        "a rule is wrong and was replaced by the slow path"
    )
    wanted_dot, wanted_gram = reference.dots(slow, directions), reference.grams(slow, preconditioners)
    with_gram = products(c.network, c.losses(), coverage, c.directions, c.preconditioners, wants_gram=True)
    with_squares = products(c.network, c.losses(), coverage, c.directions, c.preconditioners)
    dots_only = products(c.network, c.losses(), coverage, c.directions)
    one_query = products(c.network, c.losses(), coverage, {n: d[:1] for n, d in c.directions.items()})
    for found in (with_gram, with_squares, dots_only):
        assert gap(found.dot_BQ, wanted_dot) < 1e-10
        assert torch.equal(found.loss_B, c.losses()(c.network).detach())
    assert gap(one_query.dot_BQ, wanted_dot[:, :1]) < 1e-10
    assert with_gram.gram_MBB is not None
    assert gap(with_gram.gram_MBB, wanted_gram) < 1e-10
    assert gap(with_squares.squared_BM, wanted_gram.diagonal(dim1=1, dim2=2).T) < 1e-10
    assert gap(with_gram.squared_BM, with_squares.squared_BM) < 1e-12


@pytest.mark.parametrize("name", ["demo convnext", "demo vit", "resnet10t", "exotic"])
def test_float32_stays_close_to_the_float64_loop(name: str) -> None:
    single, double = case(name, torch.float32), case(name)
    double.network.load_state_dict(single.network.state_dict())
    double.photos, double.directions = single.photos.double(), {n: d.double() for n, d in single.directions.items()}
    slow = reference.gradient_of_each(double.network, double.losses(), double.names)
    wanted = reference.dots(slow, list(double.directions.values()))
    assert gap(single.products().dot_BQ.double(), wanted) < 1e-4


@pytest.mark.parametrize("name", ["convnext", "vit", "resnet10t", "exotic"])
def test_order_split_and_neighbours_change_nothing(name: str) -> None:
    c = case(name, num_examples=5)
    whole = c.products()
    order = torch.tensor([3, 0, 4, 2, 1])
    assert gap(c.products(order).dot_BQ, whole.dot_BQ[order]) < 1e-12
    split = [c.products(rows) for rows in (slice(0, 1), slice(1, 5))]
    assert gap(torch.cat([part.dot_BQ for part in split]), whole.dot_BQ) < 1e-12
    assert gap(torch.cat([part.squared_BM for part in split]), whole.squared_BM) < 1e-12
    c.photos[1:] = torch.randn_like(c.photos[1:])
    assert gap(c.products().dot_BQ[:1], whole.dot_BQ[:1]) < 1e-12
    assert gap(c.products().dot_BQ[1:], whole.dot_BQ[1:]) > 1e-3, "the neighbours did not change: nothing was shown"


def test_an_empty_batch_gives_empty_products() -> None:
    c = case("convnext")
    found = c.products(slice(0, 0))
    assert found.dot_BQ.shape == (0, NUM_DIRECTIONS)
    assert found.squared_BM.shape == (0, NUM_PRECONDITIONERS)


class Visits(nn.Module):
    """Two visits of three photos: an encoder, an attention scorer, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GELU(), nn.Flatten(), nn.Linear(4 * 16, 5))
        self.scorer = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
        self.head = nn.Linear(5, 3)

    def features(self, photos_VN: Tensor) -> Tensor:
        return self.encoder(photos_VN.flatten(0, 1)).unflatten(0, photos_VN.shape[:2])

    def forward(self, photos_VN: Tensor) -> Tensor:
        feature_VND = self.features(photos_VN)
        attention_VN = self.scorer(feature_VND).squeeze(-1).softmax(1)
        return self.head(torch.einsum("vn,vnd->vd", attention_VN, feature_VND))


def test_shares_of_photos_add_up_to_the_visit_gradient() -> None:
    torch.manual_seed(5)
    network, photos_VN, labels = (
        Visits().double(),
        torch.randn(2, 3, 3, 4, 4, dtype=torch.float64),
        torch.tensor([0, 2]),
    )
    names = [name for name, _ in network.named_parameters() if not name.startswith("head")]

    def losses(network: nn.Module) -> Tensor:
        return functional.cross_entropy(network(photos_VN), labels, reduction="none")

    coverage = cover(network, losses, names, num_examples=6)
    directions = {n: torch.randn(4, *p.shape, dtype=p.dtype) for n, p in network.named_parameters() if n in names}
    share = products(network, losses, coverage, directions, num_examples=6).dot_BQ
    visit = reference.dots(reference.gradient_of_each(network, losses, names), [directions[n] for n in names])
    assert gap(share.view(2, 3, 4).sum(1), visit) < 1e-10
    without = photos_VN.clone()

    def loss_through_first_photo(network: nn.Module) -> Tensor:
        with torch.no_grad():
            feature_VND, logit_VN = network.features(without), network.scorer(network.features(without)).squeeze(-1)
        own_D = network.features(without[:1, :1])[0, 0]
        feature_VND[0, 0], logit_VN[0, 0] = 0, 0
        mask = torch.zeros_like(logit_VN)
        mask[0, 0] = 1
        feature_VND = feature_VND + mask[..., None] * own_D
        attention_VN = (logit_VN + mask * network.scorer(own_D)).softmax(1)
        logits = network.head(torch.einsum("vn,vnd->vd", attention_VN, feature_VND))
        return functional.cross_entropy(logits, labels, reduction="none")[:1]

    first = reference.gradient_of_each(network, loss_through_first_photo, names)
    assert gap(share[:1], reference.dots(first, [directions[n] for n in names])) < 1e-10


def test_nothing_is_left_on_the_network() -> None:
    c = case("demo vit", torch.float32)
    coverage = c.coverage()
    before = {name: set(vars(module)) for name, module in c.network.named_modules()}
    identities = {name: id(parameter) for name, parameter in c.network.named_parameters()}

    def broken(network: nn.Module) -> Tensor:
        network(c.photos)
        raise ZeroDivisionError

    c.products()
    with pytest.raises(ZeroDivisionError):
        products(c.network, broken, coverage, c.directions)
    for name, module in c.network.named_modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert set(vars(module)) == before[name]
    assert all(p.grad is None and p.requires_grad for p in c.network.parameters())
    assert {name: id(parameter) for name, parameter in c.network.named_parameters()} == identities


def test_convolutions_have_rules_but_for_reflected_borders() -> None:
    slow = {n for site in case("convolutions").coverage().sites if site.rule is None for n in site.parameters.values()}
    assert slow == {"layers.7.weight", "layers.7.bias"}


def test_a_backward_pass_keeps_no_activation_alive() -> None:
    c = case("demo convnext", torch.float32)
    coverage, outputs = c.coverage(), []
    handle = (
        c.network.stages[2]
        .blocks[0]
        .mlp.fc1.register_forward_hook(lambda _, __, output: outputs.append(weakref.ref(output)))
    )
    gc.disable()
    try:
        products(c.network, c.losses(), coverage, c.directions, c.preconditioners)
    finally:
        gc.enable()
        handle.remove()
    assert outputs
    assert all(output() is None for output in outputs)


def test_the_slower_path_refuses_to_draw_anew() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.TransformerEncoderLayer(6, 2, 8, dropout=0.1)).eval()
    photos = torch.randn(3, 3, 2, 2)

    def losses(network: nn.Module) -> Tensor:
        return network[2](network[:2](photos)[None])[0].square().sum(1)

    def by_rows(network: nn.Module) -> Tensor:
        return network[2](network[:2](photos)[:, None])[:, 0].square().sum(1)

    directions = {n: torch.ones(1, *p.shape) for n, p in network.named_parameters()}
    with pytest.raises(TraceError, match="no exact per-example gradient"):
        cover(network, losses)
    network[2].self_attn.batch_first = True
    coverage = cover(network, by_rows)
    assert torch.isfinite(products(network, by_rows, coverage, directions).dot_BQ).all()
    network.train()
    with pytest.raises(TraceError, match="draws anew"):
        products(network, by_rows, coverage, directions)


def test_large_layers_go_through_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("convnextv2 linear")
    whole = c.products(wants_gram=True)
    monkeypatch.setattr(contraction, "CPU_BLOCK_BYTES", 700)
    monkeypatch.setattr(contraction, "MIN_BLOCK_ROWS", 1)
    blocked = c.products(wants_gram=True)
    assert gap(blocked.dot_BQ, whole.dot_BQ) < 1e-12
    assert whole.gram_MBB is not None
    assert blocked.gram_MBB is not None
    assert gap(blocked.gram_MBB, whole.gram_MBB) < 1e-12


@pytest.mark.parametrize("num_directions", [0, 1, 4])
def test_a_layer_that_no_loss_depends_on_has_products_of_zero(num_directions: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    photos = torch.randn(3, 4, 5, dtype=torch.float64)

    def losses(network: nn.Module) -> Tensor:
        return network(photos).square().sum((1, 2))

    coverage = cover(network, losses)
    nn.init.constant_(network[0].bias, -50.0)  # as at a later anchor: the coverage was proven before the ReLU died
    ones = {n: torch.ones(num_directions, *p.shape, dtype=p.dtype) for n, p in network.named_parameters()}
    below = {n: d * n.startswith("0") for n, d in ones.items()}
    if num_directions:
        assert (products(network, losses, coverage, below).dot_BQ == 0).all()
        assert (products(network, losses, coverage, ones).dot_BQ != 0).any()
    preconditioners = {n: (torch.ones(1, *p.shape) * n.startswith("0")).double() for n, p in network.named_parameters()}
    found = products(network, losses, coverage, ones if num_directions else {}, preconditioners, wants_gram=True)
    assert found.gram_MBB is not None
    assert found.gram_MBB.shape == (1, 3, 3)
    assert (found.gram_MBB == 0).all()


def test_some_parameters_only() -> None:
    c = case("convnext")
    c.names = [n for n in c.names if n.startswith("stages.2") or n.endswith("gamma")]
    c.directions = {n: c.directions[n] for n in c.names}
    slow = reference.gradient_of_each(c.network, c.losses(), c.names)
    found = c.products(preconditioners=False).dot_BQ
    assert gap(found, reference.dots(slow, [c.directions[n] for n in c.names])) < 1e-10


def test_coverage_names_the_rules() -> None:
    c = case("exotic")
    coverage = c.coverage()
    assert coverage.numel_by_rule["unused"] == 42
    assert {name for site in coverage.sites if site.rule is None for name in site.parameters.values()} >= {
        "start", "borrowed.weight", "borrowed.bias", "attention.out_proj.weight", "conv.weight",
    }  # fmt: skip
    total = sum(p.numel() for p in c.network.parameters())
    assert str(coverage).startswith(f"{total:,} of {total:,} parameters (")


def test_what_cannot_be_traced_is_refused_by_name() -> None:
    c = case("resnet10t")
    c.network.train()
    with pytest.raises(TraceError, match=r"BatchNorm in training mode.*bn1"):
        c.products()
    mixing = nn.Sequential(nn.Conv2d(3, 2, 3), MixExamples(), nn.Flatten(), nn.LazyLinear(3)).double()
    mixing(torch.randn(2, 3, 4, 4, dtype=torch.float64))

    def losses(network: nn.Module, photos: Tensor) -> Tensor:
        return network(photos).square().sum(1)

    photos = torch.randn(3, 3, 4, 4, dtype=torch.float64)
    with pytest.raises(TraceError, match="module 1 mixes the photos"):
        refuse_coupling(mixing, losses, photos)
    with pytest.raises(TraceError, match=r"no exact per-example gradient for 0\.weight: "):
        cover(mixing, lambda network: losses(network, photos))
    plain = case("demo convnext")
    refuse_coupling(plain.network, lambda network, photos: network(photos).square().sum(1), plain.photos)


class MixExamples(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


def test_directions_that_do_not_fit_are_refused() -> None:
    c = case("convnext")
    coverage = c.coverage()
    lacking = {n: d for n, d in c.directions.items() if n != "stem.0.weight"}
    with pytest.raises(TraceError, match=r"lack \['stem.0.weight'\]"):
        products(c.network, c.losses(), coverage, lacking)
    with pytest.raises(TraceError, match=r"stem.0.bias: direction"):
        products(c.network, c.losses(), coverage, c.directions | {"stem.0.bias": torch.zeros(4, 5)})
    with pytest.raises(TraceError, match=r"no parameters named \['nowhere'\]"):
        cover(c.network, c.losses(), ["nowhere"])


def test_query_blocks_fit_the_budget_and_miss_none() -> None:
    assert query_blocks(7, 10, 30) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert query_blocks(2, 100, 30) == [slice(0, 1), slice(1, 2)]
    assert query_blocks(0, 10, 30) == []
