"""The grid: which cells there are, which of them anything may be tuned on, and which are held out.

Written down before anything was tuned. Held out are the faults of ``HELD_OUT_FAULTS`` and every seed from ``HELD_OUT_FROM`` on;
of a study the figures of held-out cells are those of patients on whom nothing was tuned. What a fault costs depends on network
and cohort, so cells differ in strength and share, and each states the cost that was measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from grasp_psonet.cohort.synthetic.settings import Fault, SecondShortcutSettings, ShortcutSettings, SkinType
from grasp_psonet.presets import preset
from grasp_psonet.settings import merged

Ground = Literal["drawn", "study"]
Variant = Literal["", "two shortcuts", "one skin type", "label noise"]
Encoder = Literal["demo_convnext", "demo_vit", "packaged_frozen", "packaged_fine_tuned"]
FaultOrNone = Fault | Literal["none"]

HELD_OUT_FAULTS: tuple[Fault, ...] = ("sticker", "ruler", "low_resolution", "device")
HELD_OUT_FROM = 400  # seeds from here on
OPEN_FAULTS: tuple[Fault, ...] = ("colour_cast", "under_exposure", "blur", "background", "jpeg")
FAINT, MEDIUM, STRONG = 0.35, 0.6, 1.0
STRENGTHS = (FAINT, MEDIUM, STRONG)
FEW, SOME, MOST = 0.1, 0.3, 0.8  # of the training visits of one class
SHARES = (FEW, SOME, MOST)
PHOTOS: dict[Ground, float] = {"drawn": 0.3, "study": 0.5}  # of the photos of a visit with the fault
GROSS_ERRORS = 0.2  # of each reader's visits, in cohorts with label noise
ONE_SKIN_TYPE: tuple[SkinType, ...] = ("II",)  # the most frequent
_SECOND: dict[str, Fault] = {
    "background": "colour_cast",
    "sticker": "device",
}  # beside these; beside others the background

_PACKAGED: dict[str, Any] = merged(
    preset("small"),
    {"photos": {"edge_px": 128}, "evaluate": {"training_seeds": 1}},  # 128 for the time that 224 takes
)
SETTINGS: dict[Encoder, dict[str, Any]] = {
    "demo_convnext": preset("demo"),
    "demo_vit": merged(preset("demo"), {"network": {"encoder": "demo_vit"}}),
    "packaged_frozen": _PACKAGED,
    "packaged_fine_tuned": merged(
        _PACKAGED,
        {
            "network": {"train": "last 2 blocks"},
            "train": {"epochs": 33, "probe_epochs": 30, "probe_lr": 6e-3, "optimizer": {"lr": 3e-5}},
        },
    ),
}


@dataclass(frozen=True)
class Cell:
    """One planted (or clean: fault none) study: the ground, the network, the fault, and the seed of all chance in it."""

    ground: Ground
    encoder: Encoder
    fault: FaultOrNone
    seed: int
    strength: float = STRONG
    share: float = MOST
    variant: Variant = ""

    @property
    def name(self) -> str:
        """Names its files."""
        fault = "none" if self.fault == "none" else f"{self.fault}-{self.strength:g}-{self.share:g}"
        parts = (self.ground, self.encoder, fault, self.variant.replace(" ", "_"), str(self.seed))
        return "-".join(part for part in parts if part)

    @property
    def is_held_out(self) -> bool:
        return self.fault in HELD_OUT_FAULTS or self.seed >= HELD_OUT_FROM

    @property
    def severity(self) -> str:
        """The class that carries the fault: severe, and mild for every third seed."""
        return "mild" if self.seed % 3 == 2 else "severe"

    @property
    def shortcuts(self) -> tuple[ShortcutSettings, ...]:
        """What is planted: nothing, one fault, or two in different classes."""
        if self.fault == "none":
            return ()
        photos = PHOTOS[self.ground]
        types = ONE_SKIN_TYPE if self.variant == "one skin type" else ()
        shares = {"train_visits": self.share, "train_photos": photos, "other_photos": photos}
        first = ShortcutSettings(self.fault, self.strength, self.severity, types, **shares)
        if self.variant != "two shortcuts":
            return (first,)
        other = "severe" if self.severity == "mild" else "mild"
        second = _SECOND.get(self.fault, "background")
        return (first, SecondShortcutSettings(second, self.strength, other, types, **shares))


@dataclass(frozen=True)
class Block:
    """Cells that differ in every way its values allow."""

    ground: Ground
    encoders: tuple[Encoder, ...]
    faults: tuple[FaultOrNone, ...]
    seeds: tuple[int, ...]
    strengths: tuple[float, ...] = (STRONG,)
    shares: tuple[float, ...] = (MOST,)
    variants: tuple[Variant, ...] = ("",)

    def cells(self) -> Iterator[Cell]:
        for seed in self.seeds:
            for encoder in self.encoders:
                for fault in self.faults:
                    for strength in self.strengths:
                        for share in self.shares:
                            for variant in self.variants:
                                yield Cell(self.ground, encoder, fault, seed, strength, share, variant)


_VARIANTS: tuple[Variant, ...] = ("two shortcuts", "one skin type", "label noise")
_FROZEN: tuple[Encoder, ...] = ("packaged_frozen",)
ALL_FAULTS = OPEN_FAULTS + HELD_OUT_FAULTS

# Seconds a training: every strength and share. The others: what a fault does at full strength, and variants.
TUNED_ON = (
    Block("study", _FROZEN, OPEN_FAULTS, (300, 301, 302), STRENGTHS),
    Block("study", _FROZEN, OPEN_FAULTS, (300,), (STRONG,), (FEW, SOME)),
    Block("study", _FROZEN, ("none",), (300, 301, 302, 303)),
    Block("study", _FROZEN, ("colour_cast", "blur"), (300,), variants=("two shortcuts",)),
    Block("drawn", _FROZEN, OPEN_FAULTS, (300, 302), (MEDIUM, STRONG)),
    Block("drawn", _FROZEN, ("none",), (300, 301)),
    Block("drawn", ("demo_convnext",), OPEN_FAULTS, (300, 302), (MEDIUM, STRONG)),
    Block("drawn", ("demo_convnext",), ("none",), (300, 301)),
    Block("drawn", ("demo_convnext",), ("colour_cast",), (301,), variants=_VARIANTS),
    Block("drawn", ("demo_vit",), ("colour_cast", "background"), (300,)),
    Block("study", ("packaged_fine_tuned",), ("colour_cast", "blur", "none"), (300,)),
)
HELD_OUT = (
    Block("study", _FROZEN, ALL_FAULTS, (400, 401, 402, 403), STRENGTHS),
    Block("study", _FROZEN, ALL_FAULTS, (400, 402), (STRONG,), (FEW, SOME)),
    Block("study", _FROZEN, ("none",), tuple(range(400, 410))),
    Block("study", _FROZEN, ("sticker", "background"), (400, 401), variants=("two shortcuts",)),
    Block("study", ("packaged_fine_tuned",), (*ALL_FAULTS, "none"), (400, 402)),
    Block("drawn", _FROZEN, ALL_FAULTS, (400, 402), STRENGTHS),
    Block("drawn", _FROZEN, ("none",), tuple(range(400, 410))),
    Block("drawn", ("demo_convnext",), ALL_FAULTS, (400, 401, 402), (MEDIUM, STRONG)),
    Block("drawn", ("demo_convnext",), ("colour_cast", "sticker"), (400,), (STRONG,), (FEW, SOME)),
    Block("drawn", ("demo_convnext",), ("none",), tuple(range(400, 410))),
    Block("drawn", ("demo_convnext",), ("colour_cast", "device"), (400, 401), variants=_VARIANTS),
    Block("drawn", ("demo_vit", "packaged_fine_tuned"), (*ALL_FAULTS, "none"), (400, 402)),
)

SHORT = (Block("drawn", _FROZEN, ("colour_cast", "none"), (400,)),)  # minutes: shows that it works


def cells_of(blocks: tuple[Block, ...]) -> list[Cell]:
    """Every cell of the blocks once, in their order."""
    return list(dict.fromkeys(cell for block in blocks for cell in block.cells()))
