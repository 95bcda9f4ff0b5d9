"""Trace a bare image classifier: every bag holds one photo, and the mask says nothing.

A few training images carry the label of the other class. Their scores on the validation images they resemble are
negative: training on them made those losses worse. And what if each had borne another label? For the most harmful ones,
the label that would have lowered the validation losses most is the true one.

Run: python examples/bare_classifier.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch
from torch import Tensor, nn

import grasp_psonet

MISLABELLED = (5, 16, 27, 38)


class AsBags(nn.Module):
    """Lets a classifier of images [B, C, H, W], body and last layer, be called as (photos [B, N, C, H, W], mask).

    ``what_if`` asks for the parts features, attention and head. Attention is even: a bag is the mean of its features, and
    an image alone in its bag is itself.
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.attention, self.head = body, EvenAttention(), head

    def forward(self, photos: Tensor, _: Tensor) -> Tensor:
        features = self.features(photos.flatten(0, 1)).unflatten(0, photos.shape[:2])
        logits: Tensor = self.head(features.mean(dim=1))
        return logits


class EvenAttention(nn.Module):
    """The attention logit 0 for every feature."""

    def forward(self, features: Tensor) -> Tensor:
        return features.new_zeros(len(features))


def draw_images(num_images: int, seed: int) -> list[tuple[Tensor, int]]:
    """Noise of 3 x 12 x 12; class 0 is redder on top, class 1 bluer below, class 2 neither."""
    rng = torch.Generator().manual_seed(seed)
    bags = []
    for n in range(num_images):
        image = 0.5 * torch.randn(3, 12, 12, generator=rng)
        if n % 3 == 0:
            image[0, :6] += 0.7
        if n % 3 == 1:
            image[2, 6:] += 0.7
        bags.append((image[None], n % 3))
    return bags


def main() -> tuple[pd.Series, pd.Series]:
    """Summed score of each training image over all validation images, most harmful first, and the best label of those."""
    torch.manual_seed(0)
    body, head = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.GELU(), nn.Flatten()), nn.Linear(200, 3)
    training = draw_images(45, seed=1)
    for n in MISLABELLED:
        training[n] = (training[n][0], (training[n][1] + 1) % 3)
    network, rng = AsBags(body, head), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    with TemporaryDirectory() as folder:
        with grasp_psonet.record(network, optimizer, Path(folder), anchor_every=15) as recorder:
            for _ in range(60):
                drawn = torch.randint(len(training), (6,), generator=rng).tolist()
                recorder.draw(drawn)
                photos = torch.stack([training[n][0] for n in drawn])
                logits = network(photos, torch.ones(6, 1, dtype=torch.bool))
                optimizer.zero_grad()
                nn.functional.cross_entropy(logits, torch.tensor([training[n][1] for n in drawn])).backward()
                optimizer.step()
        asked = (network, recorder.trajectory(), training, draw_images(30, seed=2))
        scores = grasp_psonet.trace(*asked, formula="adam", sum_queries=True)
        changes = grasp_psonet.what_if(*asked, formula="adam", sum_queries=True)
    print(scores.attrs["coverage"])
    by_image = scores.set_index("visit_id")["score"].sort_values()
    print(f"mislabelled: {', '.join(map(str, MISLABELLED))}")
    print("most harmful training images (negative = harmful):")
    print(by_image.head(6).to_string())
    relabelled = changes[(changes["edit"] == "relabelled") & changes["visit_id"].isin(by_image.index[:4])]
    best = relabelled.sort_values("change").groupby("visit_id").first()
    print("had they borne another label, the validation losses would change by (negative = fall):")
    print(best[["label", "change"]].to_string())
    return by_image, best["label"]


if __name__ == "__main__":
    main()
