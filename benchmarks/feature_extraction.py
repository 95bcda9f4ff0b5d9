"""How fast features are extracted, beside a plain timm loop over the same photos.

    make bench-features

Both read the same photo store on one thread, batch by batch in turns; stated is the plain loop's time over ours, the median of
the rounds (1: as fast). The plain loop is what one would write with timm: read, scale, normalise, call the model.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.record import write_result
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.features.extract import BATCH, Extraction, Extractor
from grasp_psonet.network.network import build_start_encoder
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.photos.store import PhotoStore

_CASES = {
    "efficientnet_lite0_224px": ("efficientnet_lite0", "packaged", 224),
    "demo_convnext_64px": ("demo_convnext", "pretrained", 64),
}
_BATCHES = 4


def photos(edge_px: int) -> PhotoStore:
    """A store of photos of noise."""
    num_photos = BATCH * _BATCHES
    pixels = np.random.default_rng(0).integers(0, 256, (num_photos, edge_px, edge_px, 3), dtype=np.uint8)
    names = [f"p{n}" for n in range(num_photos)]
    return PhotoStore(pixels, pd.DataFrame({"row": range(num_photos), "photo_id": names, "visit_id": names}))


def plain_loop(network: NetworkSettings, edge_px: int, pixels: NDArray[Any]) -> Callable[[int], Tensor]:
    """Features of the batch from a row on, as one would write it with timm."""
    encoder, card = build_start_encoder(network, edge_px, 0)
    mean_3, std_3 = torch.tensor(card.mean)[:, None, None], torch.tensor(card.std)[:, None, None]
    encoder.eval()

    @torch.inference_mode()
    def features(start: int) -> Tensor:
        photos_MCHW = torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
        found: Tensor = encoder((photos_MCHW - mean_3) / std_3)
        return found

    return features


def speed(encoder: str, weights: str, edge_px: int, rounds: int) -> float:
    """The plain loop's time over ours, median over rounds of turns, batch by batch."""
    network, store = NetworkSettings(encoder=encoder, weights=weights, train="head"), photos(edge_px)
    extraction = Extraction(network, edge_px, 0, AugmentationSettings(), torch.device("cpu"), 1)
    ours, plain = Extractor(store, extraction).features, plain_loop(network, edge_px, store.pixels)
    np.testing.assert_allclose(ours(0)[:, 0], plain(0).numpy(), rtol=1e-4, atol=1e-4)
    ratios = []
    for _ in range(rounds):
        took = {"ours": 0.0, "plain": 0.0}
        for start in range(0, BATCH * _BATCHES, BATCH):
            for name, features in (("ours", ours), ("plain", plain)):
                begun = time.process_time()
                features(start)
                took[name] += time.process_time() - begun
        ratios.append(took["plain"] / took["ours"])
    return statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    figures = {name: round(speed(*case, rounds), 3) for name, case in _CASES.items()}
    write_result("features", {"plain_loop_over_ours": figures, "rounds": rounds, "photos": BATCH * _BATCHES})


if __name__ == "__main__":
    main()
