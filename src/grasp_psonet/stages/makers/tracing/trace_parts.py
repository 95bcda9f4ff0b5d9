"""Finished parts of a trace, kept in its partial folder until the trace is whole: an interrupted one goes on from them."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from grasp_psonet.bags.bag import Bag
from grasp_psonet.files import write_whole
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula

log = logging.getLogger("grasp_psonet")


@dataclass(frozen=True)
class TraceParts:
    """A folder of score files, one a part: float64 [Q, Z] by formula, with the digest of their bytes and of ``identity``.

    ``identity`` names what was traced (``kept_parts``), so that parts of another trace are never taken for these.
    """

    folder: Path
    identity: str

    def __len__(self) -> int:
        """How many parts lie there; each is proven only when it is asked for."""
        return len(list(self.folder.glob("*.safetensors")))

    def remember(self, part: str, make: Callable[[], ScoresByFormula]) -> ScoresByFormula:
        """Scores of this part, read where they were kept, else made and kept; what is damaged is told and made again."""
        path = self.folder / f"{part}.safetensors"
        if path.exists():
            kept = self._read(path, part)
            if kept is not None:
                return kept
            log.warning("  %s is damaged or of another trace: this part is made again", path)
        scores = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {formula: np.ascontiguousarray(score_QZ) for formula, score_QZ in scores.items()}
        note = {"digest": self._digest(part, arrays)}
        write_whole(path, lambda beside: save_file(arrays, beside, note))  # type: ignore[arg-type]
        return scores

    def _read(self, path: Path, part: str) -> ScoresByFormula | None:
        try:
            with safe_open(path, "numpy") as file:
                told = (file.metadata() or {}).get("digest")
                scores: ScoresByFormula = {formula: file.get_tensor(formula) for formula in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return None
        return scores if told == self._digest(part, scores) else None

    def _digest(self, part: str, scores: ScoresByFormula) -> str:
        found = hashlib.sha256(f"{self.identity}\n{part}\n".encode())
        for formula in sorted(scores):
            found.update(f"{formula} {scores[formula].dtype} {scores[formula].shape}\n".encode())
            found.update(scores[formula].tobytes())
        return found.hexdigest()


def kept_parts(folder: Path, request: Request) -> TraceParts:
    """Parts of this trace; each set of formulas has a folder of its own, and so have sums and the pairs of some photos."""
    queries, formulas = request.queries, sorted(formula.name for formula in request.formulas)
    groups: list[tuple[str, Sequence[Bag]]] = [("visits", request.visits)]
    groups += [(str(step), bags) for step, bags in queries.items()] if isinstance(queries, Mapping) else [("", queries)]
    bags = {name: [(bag.visit_id, bag.label, bag.photo_ids, bag.is_present) for bag in group] for name, group in groups}
    only = None if request.only is None else sorted(request.only)
    identity = json.dumps([formulas, asdict(request.settings), bags, request.folds, only])
    way = "-sum" * request.folds + "-pairs" * (only is not None)
    return TraceParts(folder / ("+".join(formulas) + way), identity)
