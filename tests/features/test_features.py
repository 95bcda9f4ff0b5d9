"""The feature store: what the encoder says of each photo and of each of its augmentations, the same however made."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grasp_psonet import workers
from grasp_psonet.bags.augmentation import augment
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.errors import StageError
from grasp_psonet.features.extract import BATCH, Extraction, read_card, write_features
from grasp_psonet.features.store import FeatureStore, open_features
from grasp_psonet.network.network import build_start_encoder, normalised
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.photos.store import INDEX_FILE, PIXELS_FILE
from grasp_psonet.tables.schemas.store import STORE_INDEX
from grasp_psonet.workers import Workers
from tests.warm_process import warm_context

NUM_PHOTOS = 8 * BATCH + 5
EDGE_PX = 64
NETWORK = NetworkSettings(encoder="demo_convnext")
CHANGES = AugmentationSettings(flip=True, shift=0.1, brightness=0.2, variants=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo store of noise, three photos a visit."""
    folder = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(0)
    np.save(folder / PIXELS_FILE, rng.integers(0, 256, (NUM_PHOTOS, EDGE_PX, EDGE_PX, 3), dtype=np.uint8))
    index = pd.DataFrame({"row": range(NUM_PHOTOS)})
    index["photo_id"] = [f"p{row}" for row in range(NUM_PHOTOS)]
    index["visit_id"] = [f"v{row // 3}" for row in range(NUM_PHOTOS)]
    index["view"] = pd.Series(["front" if row % 2 else None for row in range(NUM_PHOTOS)], dtype="string")
    for column in STORE_INDEX.columns[4:]:
        index[column.name] = {"int64": 1, "text": "0"}.get(str(column.dtype), 1.0)
    index["near_duplicate_of"] = pd.Series([None] * NUM_PHOTOS, dtype="string")
    STORE_INDEX.write(index, folder / INDEX_FILE)
    return folder


def _extraction(
    augmentation: AugmentationSettings = CHANGES, network: NetworkSettings = NETWORK, seed: int = 0
) -> Extraction:
    return Extraction(network, EDGE_PX, seed, augmentation, torch.device("cpu"), 1)


@pytest.fixture(scope="module")
def folder(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("features")
    write_features(store, _extraction(), made)
    return made


def test_each_vector_is_what_the_encoder_says_of_its_photo(store: Path, folder: Path) -> None:
    found = open_features(folder)
    assert isinstance(found.vectors.base, np.memmap), "read from disk as it is asked for"
    assert found.num_variants == 2
    encoder, card = build_start_encoder(NETWORK, EDGE_PX, 0)
    assert read_card(folder) == card
    pixels = np.load(store / PIXELS_FILE)
    mean_3, std_3 = torch.tensor(card.mean), torch.tensor(card.std)
    for row in (0, BATCH, NUM_PHOTOS - 1):
        photo = torch.from_numpy(pixels[row]).float() / 255
        for variant in range(3):
            key = ("augment variant", variant, f"v{row // 3}", f"p{row}")
            seen = augment(photo, CHANGES, key) if variant else photo
            with torch.no_grad():
                feature = encoder.eval()(normalised(seen.permute(2, 0, 1)[None], mean_3, std_3))[0].numpy()
            np.testing.assert_allclose(found.vectors[row, variant], feature, rtol=1e-3, atol=1e-4)
        assert np.abs(found.vectors[row, 1] - found.vectors[row, 0]).max() > 1e-2, "the variant is the photo itself"


def test_rows_and_means_are_those_of_the_photos(folder: Path) -> None:
    found = open_features(folder)
    assert found.index["photo_id"].tolist() == [f"p{row}" for row in range(NUM_PHOTOS)]
    np.testing.assert_array_equal(found[7], found.vectors[7, 0])
    np.testing.assert_array_equal(found.gather([3, 1]), found.vectors[[3, 1], 0])
    np.testing.assert_array_equal(found.gather([3, 1], [2, 0]), found.vectors[[3, 1], [2, 0]])
    np.testing.assert_allclose(found.means(["v2", "v0"])[0], found.vectors[6:9, 0].astype(float).mean(axis=0))
    assert np.ptp(found.means(["v2", "v0"]), axis=0).max() > 1e-2


@pytest.mark.whole
def test_the_bytes_do_not_depend_on_the_processes(
    store: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(workers, "get_context", lambda method: started.append(method) or warm_context())
    write_features(store, _extraction(), tmp_path, Workers(2))
    for file in sorted(folder.iterdir()):
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name
    assert started, "it was made in this process"


def test_without_augmentation_there_is_the_photo_alone(store: Path, tmp_path: Path) -> None:
    write_features(store, _extraction(AugmentationSettings(variants=5)), tmp_path)
    assert open_features(tmp_path).num_variants == 0


def test_a_random_encoder_is_the_one_of_the_seed(store: Path, tmp_path: Path) -> None:
    network = NetworkSettings(encoder="demo_convnext", weights="random")
    for seed in (0, 1):
        write_features(store, _extraction(AugmentationSettings(), network, seed), tmp_path / str(seed))
    first, other = (open_features(tmp_path / str(seed)).vectors for seed in (0, 1))
    assert not np.allclose(first, other)


def test_stores_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot be read as the index of the feature store"):
        open_features(tmp_path)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    np.save(tmp_path / "features.npy", np.zeros((3, 1, 2), dtype=np.float32))
    with pytest.raises(StageError, match=rf"has {NUM_PHOTOS} photos, features.npy is float32 \[3, 1, 2\]"):
        open_features(tmp_path)
    (tmp_path / "features.npy").write_bytes(b"none")
    with pytest.raises(StageError, match="no complete feature store"):
        open_features(tmp_path)


def test_a_store_in_memory_serves_as_well() -> None:
    vectors = np.arange(12.0).reshape(3, 2, 2)
    index = pd.DataFrame({"row": [0, 1, 2], "photo_id": list("abc"), "visit_id": list("xxy"), "view": None})
    assert FeatureStore(vectors, index).means(["x"]).tolist() == [[2.0, 3.0]]
