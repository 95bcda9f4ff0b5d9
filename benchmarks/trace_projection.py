"""How scores of projected gradients rank beside exact ones, and what they cost (``trace.projection``).

One epoch of training of the demo's encoder, then the scores of its errors at the anchor that it leaves, unit ``single``: exact,
and with each number kept. Photos are random. Every trace tells its own correlation on its own photos; this one is the mean over
the errors of the same figure, the lower of both formulas.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import write_result
from benchmarks.trace_cases import wait
from benchmarks.trace_together import CASES, MANY, Run
from grasp_psonet.influence.formulas import FORMULAS, FormulaName
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.influence.tracing.projected import spearman
from grasp_psonet.influence.tracing.trace import Traced, trace

FORMULA_NAMES: tuple[FormulaName, ...] = ("adam", "cosine")  # the plain product, and the default
KEPT = (256, 1024, 4096)
HEADLINE = 4096


def measure(device: str, *, is_short: bool) -> dict[str, Any]:
    """By number kept and formula: rank correlation (mean and lowest of the errors), seconds; those of the exact trace."""
    case = CASES["demo"].shrunk() if is_short else CASES["demo"]
    with tempfile.TemporaryDirectory() as folder:
        run = Run.trained(case, Path(folder), device)
        exact, exact_s = _traced(run, None)
        found: dict[str, Any] = {"exact_s": exact_s, "photos": len(exact.photo_ids), "errors": MANY, "kept": {}}
        for num_kept in KEPT[-1:] if is_short else KEPT:
            scores, elapsed_s = _traced(run, num_kept)
            own: dict[str, Any] = {"elapsed_s": elapsed_s, "caveats": scores.caveats}
            for name in FORMULA_NAMES:
                pairs = zip(scores.by_formula[name], exact.by_formula[name], strict=True)
                ranks = [spearman(ours_Z, exact_Z) for ours_Z, exact_Z in pairs]
                own[name] = {"mean": float(np.mean(ranks)), "lowest": min(ranks)}
            found["kept"][str(num_kept)] = own
    found["projection_spearman_4096"] = min(found["kept"][str(HEADLINE)][name]["mean"] for name in FORMULA_NAMES)
    return found


def _traced(run: Run, num_kept: int | None) -> tuple[Traced, float]:
    settings = TraceSettings(pairs="all", errors="kept", projection=num_kept)
    request = run.request(MANY, settings=settings, formulas=tuple(FORMULAS[name] for name in FORMULA_NAMES))
    wait(run.device)
    start = time.process_time()
    scores = trace(run.network, request)
    wait(run.device)
    return scores, time.process_time() - start


if __name__ == "__main__":
    write_result("trace-projection", measure("cpu", is_short=False))
