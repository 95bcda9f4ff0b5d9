"""GRASP-PsONet: which training photos caused each validation error, and what pruning them changes.

From Python, for any network: ``record`` a training loop, ``trace`` its trajectory, and ask ``what_if`` a photo had not
been there or a bag had borne another label (see ``examples/``).

A study folder: ``open_study`` gives its tables, photos, scores and keep lists, and runs its stages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grasp_psonet.influence.any_network.library import trace, what_if
    from grasp_psonet.influence.gradients.rules import LayerUse, Outer, register_layer_rule
    from grasp_psonet.stages.open_study import OpenStudy, open_study
    from grasp_psonet.trajectory.any_loop.recorder import record
    from grasp_psonet.trajectory.any_loop.recording import read_recording
    from grasp_psonet.trajectory.trajectory import Trajectory

__version__ = "0.1.0"
__all__ = [
    "LayerUse",
    "OpenStudy",
    "Outer",
    "Trajectory",
    "__version__",
    "open_study",
    "read_recording",
    "record",
    "register_layer_rule",
    "trace",
    "what_if",
]

_HOME = {
    "Trajectory": "grasp_psonet.trajectory.trajectory",
    "OpenStudy": "grasp_psonet.stages.open_study",
    "open_study": "grasp_psonet.stages.open_study",
    "LayerUse": "grasp_psonet.influence.gradients.rules",
    "Outer": "grasp_psonet.influence.gradients.rules",
    "register_layer_rule": "grasp_psonet.influence.gradients.rules",
    "trace": "grasp_psonet.influence.any_network.library",
    "what_if": "grasp_psonet.influence.any_network.library",
    "record": "grasp_psonet.trajectory.any_loop.recorder",
    "read_recording": "grasp_psonet.trajectory.any_loop.recording",
}


def __getattr__(name: str) -> Any:
    """Loads the numeric rooms on first use, so that importing the package stays instant."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
