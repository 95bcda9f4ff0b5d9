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
from grasp_psonet.influence.formulas import FORMULAS
from grasp_psonet.influence.tracing.request import Request, ScoresByFormula

_FORM = "rows of own queries"  # parts of another form are not read as if they were of this
_PLACES, _NUM_PHOTOS = ".places", ".num_photos"

log = logging.getLogger("grasp_psonet")


@dataclass(frozen=True)
class TraceParts:
    """A folder of score files, one a part: float64 [Q, Z] by formula, with the digest of their bytes and of ``identity``.

    A part has the rows of its own queries. Where photos have no score in it (a window of steps in which they were not drawn),
    their columns are left out of the file, which then names the others. ``identity`` names what was traced (``kept_parts``),
    so that parts of another trace are never taken for these.
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
        arrays: dict[str, np.ndarray] = {}
        for formula, score_QZ in scores.items():
            arrays |= _without_empty_columns(formula, score_QZ)
        note = {"digest": self._digest(part, arrays)}
        write_whole(path, lambda beside: save_file(arrays, beside, note))
        return scores

    def _read(self, path: Path, part: str) -> ScoresByFormula | None:
        try:
            with safe_open(path, "numpy") as file:
                told = (file.metadata() or {}).get("digest")
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        except (SafetensorError, OSError):
            return None
        return _with_empty_columns(arrays) if told == self._digest(part, arrays) else None

    def _digest(self, part: str, arrays: Mapping[str, np.ndarray]) -> str:
        found = hashlib.sha256(f"{self.identity}\n{part}\n".encode())
        for name in sorted(arrays):
            found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
            found.update(arrays[name].tobytes())
        return found.hexdigest()


def _without_empty_columns(formula: str, score_QZ: np.ndarray) -> dict[str, np.ndarray]:
    """The scores as a file holds them: [Q, columns] and, unless these are all, where they belong and how many there are."""
    is_scored_Z = (score_QZ != 0).any(axis=0)
    if is_scored_Z.all():
        return {formula: np.ascontiguousarray(score_QZ)}
    places = is_scored_Z.nonzero()[0].astype(np.int64)
    return {
        formula: np.ascontiguousarray(score_QZ[:, places]),
        f"{formula}{_PLACES}": places,
        f"{formula}{_NUM_PHOTOS}": np.array([len(is_scored_Z)], dtype=np.int64),
    }


def _with_empty_columns(arrays: Mapping[str, np.ndarray]) -> ScoresByFormula:
    """The scores [Q, Z] of a file's arrays."""
    scores: ScoresByFormula = {}
    for formula in FORMULAS.keys() & arrays.keys():
        found, places = arrays[formula], arrays.get(f"{formula}{_PLACES}")
        if places is not None:
            whole = np.zeros((len(found), int(arrays[f"{formula}{_NUM_PHOTOS}"][0])))
            whole[:, places] = found
            found = whole
        scores[formula] = found
    return scores


def kept_parts(folder: Path, request: Request) -> TraceParts:
    """Parts of this trace; each set of formulas has a folder of its own, and so have sums and the pairs of some photos."""
    queries, formulas = request.queries, sorted(formula.name for formula in request.formulas)
    groups: list[tuple[str, Sequence[Bag]]] = [("visits", request.visits)]
    groups += [(str(step), bags) for step, bags in queries.items()] if isinstance(queries, Mapping) else [("", queries)]
    bags = {name: [(bag.visit_id, bag.label, bag.photo_ids, bag.is_present) for bag in group] for name, group in groups}
    only = None if request.only is None else sorted(request.only)
    identity = json.dumps([_FORM, formulas, asdict(request.settings), bags, request.folds, only])
    way = "-sum" * request.folds + "-pairs" * (only is not None)
    return TraceParts(folder / ("+".join(formulas) + way), identity)
