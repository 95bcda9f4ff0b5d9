"""What one run of the benchmark was asked for, and what of it the study folder remembers."""

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from grasp_psonet.device import resolved_device
from grasp_psonet.errors import StudyError

PARTS = ("cohort", "prepare", "features", "train", "trace", "retrain", "report-figures")
NOTE = "paper-preset.json"
RANDOM = "random"
_LR_OF_RANDOM, _LR_OF_PAPER = 1e-4, 1e-6  # the paper's is for weights that have seen ImageNet


@dataclass(frozen=True)
class Choices:
    """What a study folder is made with; another choice needs another folder."""

    is_small: bool
    device: str
    threads: int
    weights: str
    lr: float
    k: int
    anchors: int


@dataclass(frozen=True)
class Request:
    """One call: the study, how far to go, and how long it may take. Minutes are None where no limit was given."""

    folder: Path
    choices: Choices
    processes: int
    epochs: int | None
    budget_minutes: float
    until: str
    stop_after_minutes: float | None


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--folder", type=Path, default=None, help="study folder; called again, the study goes on in it")
    line.add_argument("--small", action="store_true", help="a cohort of seconds on a CPU, to see that all parts run")
    line.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    line.add_argument("--threads", type=int, default=None, help="CPU threads of the network (default: 1, with a GPU 8)")
    line.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes that draw and decode")
    line.add_argument("--weights", default=RANDOM, help="random, or a .safetensors file of the encoder")
    line.add_argument("--lr", type=float, default=None, help="default: 1e-4 from random weights, else the paper's 1e-6")
    line.add_argument("--k", type=int, default=None, help="photos removed per query (default: 200, small: 3)")
    line.add_argument(
        "--anchors", type=int, default=1, help="anchors left by a training, beside that of its kept epoch"
    )
    line.add_argument("--epochs", type=int, default=None, help="default: as many as fit the budget")
    line.add_argument(
        "--budget-minutes", type=float, default=20.0, help="40 %% for each training, the rest to trace; without drawing"
    )
    line.add_argument("--until", choices=PARTS, default=PARTS[-1], help="the last part to make")
    line.add_argument(
        "--stop-after-minutes", type=float, default=None, help="end training or tracing then; call again to go on"
    )
    return line


def request_of(words: argparse.Namespace) -> Request:
    """The request, defaults filled in for this machine."""
    device = resolved_device(words.device)
    weights = words.weights if words.weights == RANDOM else str(Path(words.weights).resolve())
    usual_lr = _LR_OF_RANDOM if weights == RANDOM else _LR_OF_PAPER
    usual_threads = 1 if device == "cpu" else min(8, os.cpu_count() or 1)
    choices = Choices(
        is_small=words.small,
        device=device,
        threads=usual_threads if words.threads is None else words.threads,
        weights=weights,
        lr=usual_lr if words.lr is None else words.lr,
        k=(3 if words.small else 200) if words.k is None else words.k,
        anchors=words.anchors,
    )
    folder = words.folder or Path("work-paper-preset" + ("-small" if words.small else ""))
    return Request(
        folder, choices, words.processes, words.epochs, words.budget_minutes, words.until, words.stop_after_minutes
    )


def remember(request: Request) -> None:
    """Notes the choices in a new folder. Raises StudyError where the folder was made with others."""
    note, now = request.folder / NOTE, asdict(request.choices)
    if not note.exists():
        request.folder.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    before = json.loads(note.read_text(encoding="utf-8"))
    odd = [
        f"{name} was {before.get(name)!r}, now {value!r}" for name, value in now.items() if before.get(name) != value
    ]
    if odd:
        raise StudyError(f"{request.folder} was begun otherwise: {'; '.join(odd)}\n  next: choose another --folder")
