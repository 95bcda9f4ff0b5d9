"""The two small demo encoders: timm models pretrained on drawn skin, whose weights are part of the package.

Their weights stand in ``network/weights/NAME.safetensors``, made by ``scripts/pretrain_encoders.py``.
"""

from typing import Any

DEMO_EDGE_PX = 64
DEMO_MEAN = (0.5, 0.5, 0.5)
DEMO_STD = (0.5, 0.5, 0.5)

# Arguments of timm.create_model, beside num_classes=0.
DEMO_ENCODERS: dict[str, dict[str, Any]] = {
    # timm starts ConvNeXt's layer scale at 1e-6, with which training from scratch stands still for many epochs.
    "demo_convnext": {
        "model_name": "convnext_atto",
        "depths": (1, 1, 3, 1),
        "dims": (16, 32, 64, 128),
        "ls_init_value": 0.1,
        "drop_path_rate": 0,
    },
    "demo_vit": {
        "model_name": "vit_tiny_patch16_224",
        "img_size": DEMO_EDGE_PX,
        "patch_size": 16,
        "embed_dim": 96,
        "depth": 4,
        "num_heads": 3,
        "mlp_ratio": 3.0,
    },
}
