"""Pretrains the demo encoders on drawn skin: python scripts/pretrain_encoders.py [--photos 14000] [--epochs 8]

Draws photos once, trains each encoder with a linear head to tell what was drawn, measures it on photos it has not
seen, and writes the encoders' weights and their card to src/grasp_psonet/network/weights.
"""

import argparse
import json
import time
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from grasp_psonet.cohort.synthetic.drawing.random_skin import LOOKS, random_photo
from grasp_psonet.cohort.synthetic.drawing.skin import FITZPATRICK
from grasp_psonet.cohort.synthetic.protocol import REGIONS
from grasp_psonet.network.demo_encoders import DEMO_EDGE_PX, DEMO_ENCODERS, DEMO_MEAN, DEMO_STD

SEED = 20
DRAWN_EDGE_PX = 96
NUM_GRADES = 4  # erythema, induration, desquamation, area
SIZES = (len(REGIONS), len(FITZPATRICK), len(LOOKS))
WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "grasp_psonet" / "network" / "weights"
LR = {"demo_convnext": 3e-3, "demo_vit": 1e-3}


@dataclass(frozen=True)
class Album:
    """Photos uint8 [N, 3, H, W]; grades [N, 4] about 0..1 (the area's root); classes [N, 3]: region, skin type, look."""

    photos: Tensor
    grades: Tensor
    classes: Tensor


def drawn(index: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """One photo at the encoders' size, and what it shows."""
    pixels_HWC, parameters = random_photo(SEED, index, DRAWN_EDGE_PX)
    small = Image.fromarray(pixels_HWC).resize((DEMO_EDGE_PX, DEMO_EDGE_PX), Image.Resampling.BICUBIC)
    return np.asarray(small).transpose(2, 0, 1), astuple(parameters)


def album(first: int, count: int, processes: int) -> Album:
    with get_context("spawn").Pool(processes) as pool:
        photos, shown = zip(*pool.imap(drawn, range(first, first + count), chunksize=100), strict=True)
    table = torch.tensor(shown)
    grades = torch.cat([table[:, :3] / 4, table[:, 3:4].sqrt()], dim=1)
    return Album(torch.from_numpy(np.stack(photos)), grades, table[:, 4:].long())


def normalised(photos: Tensor) -> Tensor:
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (DEMO_MEAN, DEMO_STD))
    return (photos.float() / 255 - mean) / std


class Told(nn.Module):
    """An encoder and a linear head that tells grades, region, skin type and look."""

    def __init__(self, encoder: nn.Module, features: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(features, NUM_GRADES + sum(SIZES))

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        grades, *classes = self.head(self.encoder(normalised(photos))).split((NUM_GRADES, *SIZES), dim=1)
        return grades, *classes


def loss_of(told: tuple[Tensor, ...], grades: Tensor, classes: Tensor) -> Tensor:
    loss = 6 * nn.functional.mse_loss(told[0], grades)
    for logits, labels in zip(told[1:], classes.T, strict=True):
        loss = loss + 0.35 * nn.functional.cross_entropy(logits, labels)
    return loss


def pretrain(name: str, train: Album, epochs: int, per_step: int = 64) -> Told:
    torch.manual_seed(SEED)
    model: Any = timm.create_model(num_classes=0, **DEMO_ENCODERS[name])
    told = Told(model, int(model.num_features))
    num_photos = len(train.photos)
    num_steps = epochs * (num_photos // per_step)
    optimizer = torch.optim.AdamW(told.parameters(), lr=LR[name], weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR[name], total_steps=num_steps, pct_start=0.15)
    for epoch in range(epochs):
        started, losses = time.monotonic(), []
        for rows in torch.split(torch.randperm(num_photos)[: num_photos // per_step * per_step], per_step):
            photos = train.photos[rows]
            photos = photos.flip(3) if torch.rand(()) < 0.5 else photos
            photos = photos.flip(2) if torch.rand(()) < 0.25 else photos
            loss = loss_of(told(photos), train.grades[rows], train.classes[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(told.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"{name} epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.monotonic() - started:.0f} s", flush=True)
    return told


@torch.no_grad()
def measured(told: Told, held_out: Album) -> dict[str, float]:
    """Correlation of the grades, and accuracy of the classes, on photos that were not trained on."""
    told.eval()
    parts = [told(photos) for photos in torch.split(held_out.photos, 200)]
    outputs = [torch.cat(column) for column in zip(*parts, strict=True)]
    metrics = {}
    for column, grade in enumerate(("erythema", "induration", "desquamation", "area")):
        pair = torch.stack([outputs[0][:, column], held_out.grades[:, column]])
        metrics[f"correlation_{grade}"] = round(float(torch.corrcoef(pair)[0, 1]), 3)
    for column, what in enumerate(("region", "skin_type", "look")):
        right = outputs[column + 1].argmax(dim=1) == held_out.classes[:, column]
        metrics[f"accuracy_{what}"] = round(float(right.float().mean()), 3)
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=14_000)
    parser.add_argument("--held-out", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    train = album(0, arguments.photos, arguments.processes)
    held_out = album(arguments.photos, arguments.held_out, arguments.processes)
    print(f"drew {arguments.photos + arguments.held_out} photos in {time.monotonic() - started:.0f} s", flush=True)
    WEIGHTS.mkdir(exist_ok=True)
    metrics = {}
    for name in DEMO_ENCODERS:
        told = pretrain(name, train, arguments.epochs)
        metrics[name] = measured(told, held_out)
        weights = {key: value.contiguous() for key, value in told.encoder.state_dict().items()}
        save_file(weights, WEIGHTS / f"{name}.safetensors", metadata={"licence": "Apache-2.0", "seed": str(SEED)})
        print(name, json.dumps(metrics[name]), flush=True)
    elapsed_s = time.monotonic() - started
    WEIGHTS.joinpath("CARD.md").write_text(card(arguments, metrics, elapsed_s), encoding="utf-8")


def card(arguments: argparse.Namespace, metrics: dict[str, dict[str, float]], elapsed_s: float) -> str:
    names = list(metrics)
    rows = [
        f"| {what} | " + " | ".join(f"{metrics[name][what]:.3f}" for name in names) + " |" for what in metrics[names[0]]
    ]
    return f"""# Demo encoders: card

What: `demo_convnext` (timm convnext_atto, narrowed) and `demo_vit` (timm vit_tiny_patch16_224, narrowed), float32, for
photos of {DEMO_EDGE_PX} x {DEMO_EDGE_PX} px, normalised with mean and standard deviation 0.5 per channel. Exact
arguments: `network/demo_encoders.py`.

How made: `python scripts/pretrain_encoders.py --photos {arguments.photos} --epochs {arguments.epochs}`
(timm {timm.__version__}, torch {torch.__version__}, one CPU thread, seed {SEED}; {elapsed_s / 60:.0f} min in all). From
random weights, AdamW, flips; a linear head, dropped afterwards, told grades, body region, skin type and photo fault.

Data: {arguments.photos} photos drawn by this project (`cohort/synthetic/drawing/random_skin.py`), under seeds that no cohort
uses. No photo of a person was used.

Measured on {arguments.held_out} further drawn photos (grades: correlation with what was drawn; others: accuracy):

| measure | {" | ".join(names)} |
|---|{"---|" * len(names)}
{chr(10).join(rows)}

Limits: made for the demo, so that it runs offline in minutes. Drawn skin is not skin: these weights are no evidence
about, and no start for, photos of patients.

Licence: Apache-2.0, as the project.
"""


if __name__ == "__main__":
    main()
