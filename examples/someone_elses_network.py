"""Trace a network that is not ours: an attention network (ABMIL) as torchmil writes it, trained in an ordinary loop.

``ABMIL`` below is written as ``torchmil.models.ABMIL`` is (feat_ext, pool, classifier; forward(X, mask) gives one logit a bag),
so that the example needs nothing installed. Checked against torchmil 1.0.2: its own ABMIL (gated=True), started from the same
weights and put in this one's place, gives identical scores, to the last bit.

Six training bags carry a wrong label. Which bags made the validation losses worse?

Run: python examples/someone_elses_network.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch
from torch import Tensor, nn

import grasp_psonet

MISLABELLED = (3, 11, 18, 26, 35, 40)


class AttentionPool(nn.Module):
    """Gated attention over the instances of a bag (Ilse et al. 2018)."""

    def __init__(self, in_dim: int, att_dim: int) -> None:
        super().__init__()
        self.fc1, self.fc_gated = nn.Linear(in_dim, att_dim), nn.Linear(in_dim, att_dim)
        self.fc2 = nn.Linear(att_dim, 1, bias=False)

    def forward(self, X: Tensor, mask: Tensor) -> Tensor:
        f = self.fc2(self.fc1(X).tanh() * self.fc_gated(X).sigmoid())
        s = f.masked_fill(~mask[..., None].bool(), -torch.inf).softmax(dim=1)
        return torch.bmm(X.transpose(1, 2), s).squeeze(dim=-1)


class ABMIL(nn.Module):
    """Instance features, attention pooling, one linear layer."""

    def __init__(self, in_shape: tuple[int, ...], att_dim: int, feat_ext: nn.Module) -> None:
        super().__init__()
        self.feat_ext = feat_ext
        feat_dim = feat_ext(torch.zeros(1, *in_shape)).shape[-1]
        self.pool = AttentionPool(feat_dim, att_dim)
        self.classifier = nn.Linear(feat_dim, 1)

    def forward(self, X: Tensor, mask: Tensor) -> Tensor:
        logit: Tensor = self.classifier(self.pool(self.feat_ext(X), mask))
        return logit.squeeze(-1)


def draw_bags(num_bags: int, seed: int) -> list[tuple[Tensor, int]]:
    """Bags of 2 to 6 instances of 12 numbers; a positive bag holds one or more shifted instances."""
    rng = torch.Generator().manual_seed(seed)
    bags = []
    for b in range(num_bags):
        size = int(torch.randint(2, 7, (), generator=rng))
        instances = torch.randn(size, 12, generator=rng)
        if b % 2:
            instances[: 1 + size // 3, :4] += 2.0
        bags.append((instances, b % 2))
    return bags


def train(network: nn.Module, bags: list[tuple[Tensor, int]], folder: Path) -> grasp_psonet.Trajectory:
    """The ordinary loop, with two lines more: ``record`` and ``draw``."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    rng = torch.Generator().manual_seed(0)
    with grasp_psonet.record(network, optimizer, folder, anchor_every=20) as recorder:
        for _ in range(120):
            drawn = torch.randint(len(bags), (4,), generator=rng).tolist()
            recorder.draw(drawn)
            longest = max(len(bags[b][0]) for b in drawn)
            photos, mask = torch.zeros(4, longest, 12), torch.zeros(4, longest, dtype=torch.bool)
            for row, b in enumerate(drawn):
                photos[row, : len(bags[b][0])], mask[row, : len(bags[b][0])] = bags[b][0], True
            labels = torch.tensor([float(bags[b][1]) for b in drawn])
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(network(photos, mask), labels).backward()
            optimizer.step()
    return recorder.trajectory()


def main() -> tuple[pd.Series, pd.Series]:
    """Score of each training bag on the validation bags, most harmful first: at anchors, and through the whole training."""
    torch.manual_seed(0)
    network = ABMIL((12,), 8, nn.Sequential(nn.Linear(12, 16), nn.ReLU()))
    training = draw_bags(48, seed=1)
    for b in MISLABELLED:
        training[b] = (training[b][0], 1 - training[b][1])
    with TemporaryDirectory() as folder:
        trajectory = train(network, training, Path(folder))
        asked = (network, trajectory, training, draw_bags(24, seed=2))
        scores = grasp_psonet.trace(*asked, formula="adam", unit="visit")
        # the derivative of what training did, by replaying it: one query, for each is carried back through all steps by itself
        exact = grasp_psonet.trace(*asked, formula="unrolled", counting="steps", unit="visit", sum_queries=True)
    print(scores.attrs["coverage"])
    print(f"mislabelled: {', '.join(map(str, MISLABELLED))}")
    by_bag = scores.groupby("visit_id")["score"].mean().sort_values()
    by_bag_exact = exact.groupby("visit_id")["score"].mean().sort_values()
    for formula, scores_of_bags in (("adam", by_bag), ("unrolled", by_bag_exact)):
        print(f"most harmful training bags by formula {formula} (negative = harmful):")
        print(scores_of_bags.head(8).to_string())
    return by_bag, by_bag_exact


if __name__ == "__main__":
    main()
