"""One small encoder of every family of timm: random weights, few pixels, fewer or narrower blocks where it takes a word."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
from torch import nn

NUM_CLASSES = 3


@dataclass(frozen=True)
class Family:
    """A timm model, the edge of its photos, and how it is made smaller."""

    model: str
    edge_px: int = 64
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def build(self) -> nn.Module:
        """The network in evaluation mode, drawn from seed 0; what starts at 0 is drawn too, so that nothing has no gradient."""
        torch.manual_seed(0)
        network = timm.create_model(self.model, pretrained=False, num_classes=NUM_CLASSES, **self.options).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any() or parameter.numel() == 1:
                    parameter.add_(0.1 * torch.randn_like(parameter))
            for name, buffer in network.named_buffers():
                if name.endswith("running_var"):
                    buffer.uniform_(0.5, 1.5)
        return network


def _sized(edge_px: int, **options: Any) -> dict[str, Any]:
    return {"img_size": edge_px, **options}


FAMILIES = (
    Family("beit_base_patch16_224", 64, _sized(64, embed_dim=48, depth=2, num_heads=3)),
    Family("gernet_s"),
    Family("cait_xxs24_224", 64, _sized(64, embed_dim=48, depth=2, num_heads=4)),
    Family("coat_lite_tiny", 64, _sized(64)),
    Family("convit_tiny", 64, _sized(64, depth=4, embed_dim=32)),
    Family("convnext_atto", 64, {"depths": (1, 1, 2, 1), "dims": (8, 16, 32, 64)}),
    Family("convnextv2_atto", 64, {"depths": (1, 1, 2, 1), "dims": (8, 16, 32, 64)}),
    Family("crossvit_tiny_240", 240),
    Family("cs3darknet_focus_s"),
    Family("davit_tiny", 64, {"embed_dims": (24, 48, 96, 192), "depths": (1, 1, 1, 1)}),
    Family("deit_tiny_distilled_patch16_224", 64, _sized(64, embed_dim=48, depth=2)),
    Family("densenet121", 64, {"growth_rate": 8, "block_config": (2, 2, 2, 2)}),
    Family("dla46_c"),
    Family("dpn48b"),
    Family("edgenext_xx_small", 64),
    Family("efficientformer_l1", 224),
    Family("efficientformerv2_s0", 224),
    Family("efficientnet_lite0"),
    Family("efficientvit_b0"),
    Family("efficientvit_m0", 224),
    Family("eva02_tiny_patch14_224", 56, _sized(56, embed_dim=48, depth=2, num_heads=3)),
    Family("fasternet_t0"),
    Family("fastvit_t8"),
    Family("focalnet_tiny_srf"),
    Family("gcvit_xxtiny", 224),
    Family("ghostnet_050"),
    Family("hardcorenas_a"),
    Family("hgnetv2_b0"),
    Family("hiera_tiny_224", 224, {"embed_dim": 24, "stages": (1, 1, 1, 1)}),
    Family("hrnet_w18_small"),
    Family("inception_next_atto"),
    Family("legacy_seresnet18"),
    Family("levit_128s", 224),
    Family("mambaout_femto"),
    Family("coatnet_pico_rw_224", 224),
    Family("maxvit_pico_rw_256", 256),
    Family("poolformer_s12"),
    Family("caformer_s18"),
    Family("mixer_s32_224", 64, _sized(64)),
    Family("gmlp_ti16_224", 64, _sized(64)),
    Family("resmlp_12_224", 64, _sized(64)),
    Family("mobilenetv3_small_050"),
    Family("mobilenetv4_conv_small_035"),
    Family("mobilevit_xxs"),
    Family("mobilevitv2_050"),
    Family("nf_regnet_b0"),
    Family("pit_ti_224", 224),
    Family("pvt_v2_b0", 64),
    Family("regnetx_002"),
    Family("regnety_002"),
    Family("repghostnet_050"),
    Family("repvit_m0_9"),
    Family("res2net50_14w_8s"),
    Family("resnest14d"),
    Family("resnet10t"),
    Family("resnetv2_18"),
    Family("rexnet_100"),
    Family("sequencer2d_s", 64, _sized(64, embed_dims=(16, 32, 32, 32), layers=(1, 1, 1, 1))),
    Family("shvit_s1"),
    Family("starnet_s050"),
    Family("swiftformer_xs"),
    Family("swin_tiny_patch4_window7_224", 56, _sized(56, window_size=7, embed_dim=24, depths=(1, 1, 1, 1))),
    Family("swinv2_tiny_window8_256", 64, _sized(64, embed_dim=24, depths=(1, 1, 1, 1))),
    Family("tiny_vit_5m_224", 224, {"depths": (1, 1, 1, 1)}),
    Family("tnt_s_patch16_224", 64, _sized(64, depth=2)),
    Family("vit_tiny_patch16_224", 64, _sized(64, embed_dim=48, depth=2)),
    Family("vit_relpos_small_patch16_224", 64, _sized(64, embed_dim=48, depth=2, num_heads=3)),
    Family("samvit_base_patch16_224", 64, _sized(64, embed_dim=48, depth=2, num_heads=3)),
    Family("ese_vovnet19b_slim_dw"),
    Family("xcit_nano_12_p16_224", 64, _sized(64, depth=2)),
)
