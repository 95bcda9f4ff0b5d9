"""The network as ONNX and as torch.export, and the comparison of both with the network they come from."""

# Axes: B bags (visits), N photos per bag (padded).

import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from grasp_psonet.bags.bag import BagBatch
from grasp_psonet.errors import NetworkError
from grasp_psonet.network.exportable import ExportableNetwork
from grasp_psonet.network.loss import exported_of
from grasp_psonet.network.network import BagNetwork

ONNX_FILE = "network.onnx"
TORCH_FILE = "network.pt2"
TOLERANCE = 1e-4
INPUTS = ("photos", "is_photo")
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_MOST_VISITS, _MOST_PHOTOS = 4096, 65_536


def refuse_without_packages() -> None:
    """Raises NetworkError where the packages that write and run ONNX are not installed."""
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise NetworkError(
            f"{', '.join(missing)} is not installed, which writes and checks ONNX\n"
            "  next: pip install 'grasp-psonet[export]'"
        )


def output_names(network: BagNetwork) -> tuple[str, ...]:
    """What the exported network gives, in order."""
    exported = exported_of(network)
    return (exported.outputs, "attention", exported.said)


def write_exchange(network: BagNetwork, photo_shape: tuple[int, ...], folder: Path) -> None:
    """Leaves the network in both forms. ``photo_shape``: that of one photo [3, H, W], or of one vector [F].

    Nothing of the study is in the files but weights: the example that shapes are read off is drawn, and where the code lay on
    this machine is left out. Raises NetworkError for a network that cannot be recorded.
    """
    photos = torch.rand(2, 3, *photo_shape, generator=torch.Generator().manual_seed(0))
    is_photo = torch.tensor([[True, True, True], [True, True, False]])
    visits, places = (torch.export.Dim("visits", max=_MOST_VISITS), torch.export.Dim("photos", max=_MOST_PHOTOS))
    shapes = ({0: visits, 1: places}, {0: visits, 1: places})
    wrapped = ExportableNetwork(network).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporters' own making
            program: Any = torch.export.export(wrapped, (photos, is_photo), dynamic_shapes=shapes)
            for node in program.graph.nodes:
                node.meta.pop("stack_trace", None)
            torch.export.save(program, folder / TORCH_FILE)
            recorded: Any = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=INPUTS, output_names=output_names(network)
            )
            recorded.save(folder / ONNX_FILE)
    except Exception as error:  # whatever a foreign encoder makes the exporters raise
        first = str(error).strip().partition("\n")[0][:300]
        raise NetworkError(
            f"encoder {network.card.name} cannot be exported: {type(error).__name__}: {first}\n"
            "  next: export a run with another encoder; `grasp predict` reads this one"
        ) from error


def compare(network: BagNetwork, batches: Iterable[BagBatch], folder: Path) -> dict[str, float]:
    """The largest difference of any output from the network's own, by file, over these batches.

    Raises NetworkError where an output differs by more than 1e-4, or is not a finite number.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), options, providers=["CPUExecutionProvider"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.export.load(folder / TORCH_FILE).module()
    names, largest = output_names(network), {ONNX_FILE: 0.0, TORCH_FILE: 0.0}
    for batch in batches:
        wanted = _answers(network, batch)
        feed = {
            name: given.numpy() for name, given in zip(INPUTS, (batch.photos_BNCHW, batch.is_photo_BN), strict=True)
        }
        with torch.no_grad():
            found = {
                ONNX_FILE: [torch.as_tensor(one) for one in session.run(list(names), feed)],
                TORCH_FILE: list(loaded(batch.photos_BNCHW, batch.is_photo_BN)),
            }
        for file, outputs in found.items():
            for name, ours, theirs in zip(names, wanted, outputs, strict=True):
                largest[file] = max(largest[file], _difference(file, name, ours, theirs))
    return largest


def _answers(network: BagNetwork, batch: BagBatch) -> list[Tensor]:
    """What the network itself says of a batch, in the order of ``output_names``."""
    with torch.no_grad():
        output = network(batch.photos_BNCHW, batch.is_photo_BN)
    return [output.logits_BC, output.attention_BN, exported_of(network).say(network.outcome, output.logits_BC)]


def _difference(file: str, name: str, ours: Tensor, theirs: Tensor) -> float:
    found = float((ours - theirs).abs().max()) if ours.shape == theirs.shape else float("nan")
    if not found <= TOLERANCE:  # also where it is NaN
        raise NetworkError(
            f"{file} does not give the network's {name}: they differ by {found:g}, allowed are {TOLERANCE:g}\n"
            "  nothing is exported\n  next: export a run with another encoder; `grasp predict` reads this one"
        )
    return found
