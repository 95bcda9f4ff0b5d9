"""The paper's study at its size: cohort, baseline, trace and one pruned retraining, within a budget of time.

    python -m benchmarks.paper_preset --device cuda --budget-minutes 20
    python -m benchmarks.paper_preset --small --device cpu          all parts in a minute, without meaning

610/64/170 train/val/test visits (about) of 46 photos at 224 px, ConvNeXt-Tiny: the ``paper`` preset, drawn. From random
weights the encoder's layer scale starts at 0.1. Called again with the same folder it goes on where it stopped: a
training at its last epoch. Figures are one JSON object on the last line and in the folder; a finished study of full size also
leaves benchmarks/results/DATE-paper-preset-CARD.json. Exit code 2 where packages are missing.
"""

import importlib
import logging
import sys
from typing import Any

from benchmarks.paper_preset.needs import found, message, missing

log = logging.getLogger("grasp_psonet")


def main() -> int:
    """Exit code: 0 done or stopped in time, 1 a fault of the input, 2 packages are missing."""
    lacking = missing()
    if lacking:
        sys.stderr.write(message(lacking) + "\n")
        return 2
    sys.stderr.write(" ".join(f"{name} {version}" for name, version in found().items()) + "\n")
    command: Any = importlib.import_module("benchmarks.paper_preset.command")  # loads what was just looked for
    code: int = command.run(__doc__)
    return code


if __name__ == "__main__":
    sys.exit(main())
