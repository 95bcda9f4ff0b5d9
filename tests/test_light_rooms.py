"""What only reads tables starts without torch, and help answers at once."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

LIGHT = [
    "grasp_psonet",
    "grasp_psonet.cli",
    "grasp_psonet.settings",
    "grasp_psonet.tables.catalogue",
    "grasp_psonet.stages.checking.check",
    "grasp_psonet.cohort.synthetic.cohort",
    "grasp_psonet.photos.store",
    "grasp_psonet.pruning.selection",
    "grasp_psonet.evidence.evaluate",
    "grasp_psonet.audit.curves",
    "grasp_psonet.diagnosis.galleries",
    "grasp_psonet.diagnosis.diagnosis",
    "grasp_psonet.report.page",
    "grasp_psonet.stages.pipeline",
]


@pytest.mark.process
def test_light_modules_do_not_load_torch() -> None:
    """One process imports them in turn: what any of them loads is there after it."""
    code = (
        "import importlib, sys\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "    print(module, [m for m in ('torch', 'timm', 'torchvision') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{module} []" for module in LIGHT]


@pytest.mark.process
def test_help_loads_nothing_heavy() -> None:
    """Half a second is the promise; what holds on any machine is that no heavy package is loaded for it."""
    code = (
        "import sys; from grasp_psonet.cli import main; main([]);"
        "print([m for m in ('torch', 'pandas', 'pydantic', 'numpy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
