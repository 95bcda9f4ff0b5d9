"""Grad-CAM inside the bag: equal to a public implementation for a bag of one, to a slow plain one for real bags."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from timm.models.mlp_mixer import MlpMixer
from torch import Tensor, nn

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import NetworkError
from grasp_psonet.explain.gradcam import grad_cam, target_layer
from grasp_psonet.explain.overlay import heat_colours, overlay_png
from grasp_psonet.network.network import build_network
from grasp_psonet.network.settings import NetworkSettings

ENCODERS = {
    "convnext": lambda: timm.create_model("convnext_atto", depths=(1, 1, 2, 1), dims=(8, 16, 24, 32), num_classes=0),
    "vit": lambda: timm.create_model(
        "vit_tiny_patch16_224", img_size=64, embed_dim=48, depth=2, num_heads=3, num_classes=0, reg_tokens=2
    ),
    "resnet": lambda: timm.create_model("resnet10t", num_classes=0),
    "eva": lambda: timm.create_model(
        "eva02_tiny_patch14_224", img_size=56, embed_dim=48, depth=2, num_heads=3, num_classes=0
    ),
    "swin": lambda: timm.create_model(
        "swin_tiny_patch4_window7_224",
        img_size=64,
        window_size=4,
        embed_dim=12,
        depths=(1, 1),
        num_heads=(2, 2),
        num_classes=0,
    ),
}


class StandIn(nn.Module):
    """The least bag network: encoder, tanh attention over present photos, head."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        length = encoder.num_features
        self.scorer = nn.Sequential(nn.Linear(length, 8), nn.Tanh(), nn.Linear(8, 1))
        self.head = nn.Sequential(nn.Linear(length, 16), nn.GELU(), nn.Linear(16, 3))

    def forward(self, photos_BNCHW: Tensor, is_photo_BN: Tensor) -> SimpleNamespace:
        feature_MD = self.encoder(photos_BNCHW[is_photo_BN])
        feature_BND = feature_MD.new_zeros(*is_photo_BN.shape, feature_MD.shape[1]).index_put(
            tuple(is_photo_BN.nonzero().T), feature_MD
        )
        logit_BN = self.scorer(feature_BND)[..., 0].masked_fill(~is_photo_BN, -torch.inf)
        pooled_BD = torch.einsum("bn,bnd->bd", logit_BN.softmax(dim=1), feature_BND)
        return SimpleNamespace(logits_BC=self.head(pooled_BD))


def network_of(family: str) -> StandIn:
    torch.manual_seed(3)
    network = StandIn(ENCODERS[family]())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(0.5)  # layer-scale starts at 1e-6, where no block does anything
            elif parameter.ndim > 1:
                parameter.mul_(3.0)  # features that differ between photos, so that attention matters
    return network.eval()


def bags(edge_px: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    photos_BNCHW = torch.rand(3, 4, 3, edge_px, edge_px, generator=torch.Generator().manual_seed(1))
    is_photo_BN = torch.tensor([[1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 0, 0]], dtype=torch.bool)
    return photos_BNCHW, is_photo_BN, torch.tensor([0, 2, 1])


def raw(maps) -> Tensor:
    return maps.cam_BNhw * maps.largest_BN[..., None, None].nan_to_num()


def grid_of(output: Tensor, family: str) -> Tensor:
    if family in ("vit", "eva"):
        return output[:, {"vit": 3, "eva": 1}[family] :].reshape(len(output), 4, 4, -1).permute(0, 3, 1, 2)
    return output.permute(0, 3, 1, 2) if family == "swin" else output


class BagOfOne(nn.Module):
    def __init__(self, network: StandIn) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo_1CHW: Tensor) -> Tensor:
        return self.network(photo_1CHW[None], torch.ones(1, 1, dtype=torch.bool)).logits_BC


@pytest.mark.parametrize("family", ["convnext", "vit"])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_bag_of_one_equals_pytorch_grad_cam(family, target):
    network = network_of(family)
    photo_1CHW = bags()[0][0, :1]
    layer = target_layer(network.encoder, photo_1CHW[0])
    ours = raw(grad_cam(network, photo_1CHW[None], torch.ones(1, 1, dtype=torch.bool), torch.tensor([target]), layer))
    theirs = GradCAM(BagOfOne(network), [layer], reshape_transform=lambda output: grid_of(output, family))
    wanted_HW = theirs(photo_1CHW, [ClassifierOutputTarget(target)])[0]
    scaled_HW = scale_cam_image(scale_cam_image(ours[0].numpy(), (64, 64)))[0]
    np.testing.assert_allclose(scaled_HW, wanted_HW, atol=2e-5)
    activation, gradient = theirs.activations_and_grads.activations[0], theirs.activations_and_grads.gradients[0]
    positive = torch.einsum("mc,mchw->mhw", gradient.mean(dim=(2, 3)), activation).relu()
    torch.testing.assert_close(ours[0], positive, rtol=1e-4, atol=1e-7)


def test_some_map_of_the_comparison_is_not_empty():
    largest = []
    for family in ("convnext", "vit"):
        network = network_of(family)
        photo = bags()[0][:1, :1]
        layer = target_layer(network.encoder, photo[0, 0])
        here = torch.ones(1, 1, dtype=torch.bool)
        largest += [float(grad_cam(network, photo, here, torch.tensor([c]), layer).largest_BN) for c in range(3)]
    assert sum(value > 1e-4 for value in largest) >= 4, f"nearly all maps are empty, nothing was compared: {largest}"


@pytest.mark.parametrize("family", sorted(ENCODERS))
def test_maps_in_bags_equal_one_backward_pass_per_bag_with_plain_hooks(family):
    network = network_of(family)
    photos_BNCHW, is_photo_BN, target_B = bags(56 if family == "eva" else 64)
    layer = target_layer(network.encoder, photos_BNCHW[0, 0])
    fast_BNhw = raw(grad_cam(network, photos_BNCHW, is_photo_BN, target_B, layer))
    for b in range(3):
        kept = []
        handle = layer.register_forward_hook(
            lambda _m, _i, output, kept=kept: kept.append(output) or output.retain_grad()
        )
        output = network(photos_BNCHW[b : b + 1], is_photo_BN[b : b + 1])
        handle.remove()
        output.logits_BC[0, target_B[b]].backward()
        activation, gradient = grid_of(kept[0].detach(), family), grid_of(kept[0].grad, family)
        slow_Mhw = (gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1).relu()
        torch.testing.assert_close(fast_BNhw[b][is_photo_BN[b]], slow_Mhw, rtol=1e-4, atol=1e-7)
    assert fast_BNhw.amax() > 1e-4, "all maps are empty: the comparison would prove nothing"


def test_siblings_change_the_map_and_absent_photos_do_not():
    network = network_of("convnext")
    photos_BNCHW, is_photo_BN, target_B = bags()
    layer = network.encoder.stages[-1]
    maps = grad_cam(network, photos_BNCHW, is_photo_BN, target_B, layer)
    other = photos_BNCHW.clone()
    other[~is_photo_BN] = 0.9
    torch.testing.assert_close(maps.cam_BNhw, grad_cam(network, other, is_photo_BN, target_B, layer).cam_BNhw)
    other[0, 1] = 1 - other[0, 1]
    changed = grad_cam(network, other, is_photo_BN, target_B, layer)
    assert (raw(changed)[0, 0] - raw(maps)[0, 0]).abs().max() > 1e-5, "the sibling does not reach this photo's map"
    torch.testing.assert_close(raw(changed)[1:], raw(maps)[1:], rtol=1e-4, atol=1e-7)  # other bags


def test_normalisation_is_per_photo_and_absence_is_said():
    network = network_of("convnext")
    photos_BNCHW, is_photo_BN, target_B = bags()
    maps = grad_cam(network, photos_BNCHW, is_photo_BN, target_B, network.encoder.stages[-1])
    assert maps.largest_BN.isnan().equal(~is_photo_BN)
    peaks = maps.cam_BNhw.amax(dim=(2, 3))
    assert torch.equal(peaks, (maps.largest_BN.nan_to_num() > 0).float())
    assert maps.cam_BNhw[~is_photo_BN].eq(0).all()


def test_no_positive_evidence_gives_exact_zeros():
    network = network_of("convnext")
    photos_BNCHW, is_photo_BN, target_B = bags()
    with torch.no_grad():  # a head that no feature can move
        network.head[0].weight.zero_()
    maps = grad_cam(network, photos_BNCHW, is_photo_BN, target_B, network.encoder.stages[-1])
    assert maps.largest_BN[is_photo_BN].eq(0).all()
    assert maps.cam_BNhw.eq(0).all()


@pytest.mark.parametrize("frozen", [False, True])
def test_nothing_is_left_behind(frozen):
    network = network_of("resnet").requires_grad_(not frozen)
    photos_BNCHW, is_photo_BN, target_B = bags()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in network.named_modules()}
    with torch.no_grad():
        layer = target_layer(network.encoder, photos_BNCHW[0, 0])
        grad_cam(network, photos_BNCHW, is_photo_BN, target_B, layer)
        assert not torch.is_grad_enabled(), "the caller's no_grad was changed"
    assert layer is network.encoder.layer4
    assert torch.is_grad_enabled()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad != frozen for parameter in network.parameters())
    assert {name: set(vars(module)) for name, module in network.named_modules()} == attributes
    assert all(len(module._forward_hooks) == 0 for module in network.modules())


def test_hooks_leave_with_an_error():
    network = network_of("convnext")
    photos_BNCHW, is_photo_BN, _ = bags()
    layer = network.encoder.stages[-1]
    with pytest.raises(RuntimeError):
        grad_cam(network, photos_BNCHW, is_photo_BN, torch.tensor([0, 9, 0]), layer)
    assert len(layer._forward_hooks) == 0
    assert torch.is_grad_enabled()


def test_layers_that_cannot_be_mapped_are_refused():
    network = network_of("convnext")
    network.idle = nn.Conv2d(3, 3, 1)
    photos_BNCHW, is_photo_BN, target_B = bags()
    with pytest.raises(NetworkError, match="never called"):
        grad_cam(network, photos_BNCHW, is_photo_BN, target_B, network.idle)
    with pytest.raises(NetworkError, match="wanted"):
        grad_cam(network, photos_BNCHW, is_photo_BN, target_B, network.encoder.head)
    with pytest.raises(NetworkError, match="no map"):
        target_layer(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 4)), photos_BNCHW[0, 0])
    mixer = MlpMixer(img_size=64, embed_dim=24, num_blocks=2, num_classes=0)
    with pytest.raises(NetworkError, match="no map"):
        target_layer(mixer, photos_BNCHW[0, 0])


@pytest.mark.parametrize("encoder", ["demo_convnext", "demo_vit"])
@pytest.mark.parametrize("mask", ["before", "paper"])
def test_the_projects_own_network(encoder, mask):
    settings = NetworkSettings(encoder=encoder, weights="random", feature_length=32, mask=mask)
    network = build_network(settings, 64, 0, Outcome())
    photos_BNCHW, is_photo_BN, target_B = bags()
    layer = target_layer(network.encoder, photos_BNCHW[0, 0])
    maps = grad_cam(network, photos_BNCHW, is_photo_BN, target_B, layer)
    assert maps.largest_BN.isnan().equal(~is_photo_BN)
    alone = grad_cam(network, photos_BNCHW[1:2, 2:], is_photo_BN[1:2, 2:], target_B[1:2], layer)
    without = is_photo_BN.clone()
    without[1, 0] = False  # a removed photo is as good as never there
    in_batch = grad_cam(network, photos_BNCHW, without, target_B, layer)
    torch.testing.assert_close(raw(in_batch)[1:2, 2:], raw(alone), rtol=1e-3, atol=1e-7)
    assert raw(alone).amax() > 1e-6, "all maps are empty: the comparison would prove nothing"


def test_heat_grows_evenly_in_lightness():
    linear = (heat_colours(np.linspace(0, 1, 11)) / 255) ** 2.2
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    steps = np.diff(lightness)
    assert steps.min() > 0.5 * steps.mean()
    assert steps.max() < 1.5 * steps.mean()


def test_overlay_leaves_cold_skin_alone_and_marks_the_hot_place():
    photo_HWC = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    plain = np.asarray(Image.open(io.BytesIO(overlay_png(photo_HWC, np.zeros((7, 7))))))
    np.testing.assert_array_equal(plain, photo_HWC)
    cam_hw = np.zeros((4, 6))
    cam_hw[0, 5] = 1
    marked = np.asarray(Image.open(io.BytesIO(overlay_png(photo_HWC, cam_hw)))).astype(float)
    np.testing.assert_array_equal(marked[20:, :30], photo_HWC[20:, :30])
    np.testing.assert_allclose(marked[0, -1], 0.3 * photo_HWC[0, -1] + 0.7 * np.array([253, 231, 37]), atol=1)
