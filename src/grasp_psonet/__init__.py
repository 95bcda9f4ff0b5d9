"""GRASP-PsONet: which training photos caused each validation error, and what pruning them changes.

From Python, for any network: ``record`` a training loop, ``trace`` its trajectory (see ``examples/``).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grasp_psonet.influence.library import trace
    from grasp_psonet.trajectory.recorder import read_recording, record
    from grasp_psonet.trajectory.trajectory import Trajectory

__version__ = "0.1.0"
__all__ = ["Trajectory", "__version__", "read_recording", "record", "trace"]

_HOME = {
    "Trajectory": "grasp_psonet.trajectory.trajectory",
    "trace": "grasp_psonet.influence.library",
    "record": "grasp_psonet.trajectory.recorder",
    "read_recording": "grasp_psonet.trajectory.recorder",
}


def __getattr__(name: str) -> Any:
    """Loads the numeric rooms on first use, so that importing the package stays instant."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
