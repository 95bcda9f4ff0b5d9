"""Presets: settings that differ from the defaults, by name. ``grasp init --preset`` writes them out in full."""

from typing import Any

from grasp_psonet.errors import SettingsError

_SMALL_ENCODER: dict[str, Any] = {
    "photos": {"edge_px": 64},
    "network": {"encoder": "demo_convnext", "feature_length": 64, "attention_hidden": 32, "head_hidden": 32},
    "train": {
        "epochs": 10,
        "optimizer": {"lr": 1e-3, "weight_decay": 1e-4},
        "augmentation": {"flip": True, "shift": 0.05},
    },
}

_TINY: dict[str, Any] = _SMALL_ENCODER | {
    "cohort": {
        "num_patients": 18,
        "num_visits": 36,
        "num_views": 4,
        "edge_px": 64,
        "val_visits": 9,
        "test_visits": 9,
    },
    "train": {
        "epochs": 3,
        "optimizer": {"lr": 1e-3, "weight_decay": 1e-4},
        "augmentation": {"flip": True, "shift": 0.05},
    },
    "prune": {"k": [3, 6]},
    "evaluate": {"replicates": 200},
    "out_of_fold": {"folds": 2, "repeats": 2},
    "explain": {"flagged": 4, "errors": 4},
    "diagnose": {"permutations": 40, "clusters": 4, "gallery": 2},
}
_SCORE: dict[str, Any] = {"severity": {"outcome": "pasi"}}

PRESETS: dict[str, dict[str, Any]] = {
    # the embedded cohort and the recipe that suits the small encoders: minutes on two cores
    "demo": _SMALL_ENCODER,
    # the demo in seconds, for tests and first looks: its figures mean nothing
    "tiny": _TINY,
    # the same two on the score as a number
    "pasi-demo": _SMALL_ENCODER | _SCORE,
    "pasi-tiny": _TINY | _SCORE,
    # a study of some 100 to 800 visits on a laptop without network: the head alone learns, on features computed once
    "small": {
        "photos": {"edge_px": 224},
        "network": {
            "encoder": "efficientnet_lite0",
            "weights": "packaged",
            "train": "head",
            "feature_norm": "unit_length",
            "projection": "none",
            "attention": "mean",
            "head_hidden": 0,
        },
        # some 30 visits of validation choose an epoch by chance: the last is better
        "train": {
            "epochs": 30,
            "visits_per_step": 8,
            "keep": "last",
            "optimizer": {"kind": "adamw", "lr": 6e-3, "weight_decay": 1e-2},
        },
        "evaluate": {"training_seeds": 5},
        # the only passes of photos after the features: minutes on a laptop
        "explain": {"random_orders": 0},
    },
    # the paper's study size and recipe (section 3.2): a GPU and days
    "paper": {
        "cohort": {
            "num_patients": 344,
            "num_visits": 844,
            "num_views": 46,
            "edge_px": 224,
            "val_visits": 64,
            "test_visits": 170,
        },
        "network": {"encoder": "convnext_tiny", "projection": "mlp", "mask": "paper"},
        "train": {
            "epochs": 100,
            "visits_per_step": 4,
            "sampling": "class_weighted",
            "anchor_every": 10,
            "optimizer": {"kind": "adam", "lr": 1e-6, "weight_decay": 1e-4},
        },
        "trace": {"formula": "paper", "errors": "kept", "counting": "checkpoints"},
        "prune": {"rule": "each", "within": "none", "k": [100, 200, 300, 400, 500]},
        "evaluate": {"min_gain_se": 0.0},
        "audit": {"model": "paper", "ranking": "largest", "formula": "paper"},
    },
}


def preset(name: str) -> dict[str, Any]:
    """The settings of a preset that differ from the defaults. Raises SettingsError for an unknown name."""
    if name not in PRESETS:
        raise SettingsError(f"preset {name!r} is unknown; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
