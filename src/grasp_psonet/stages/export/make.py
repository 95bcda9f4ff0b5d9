"""A run's kept network written for other programs: all files, or none."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from grasp_psonet.bags.bag import Bag, BagBatch, Pixels, collate, make_bags
from grasp_psonet.errors import FileError, NetworkError
from grasp_psonet.evidence.calibration import with_temperature
from grasp_psonet.files import write_json
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.stages.export.card import card_of, card_page
from grasp_psonet.stages.export.exchange import compare, refuse_without_packages, write_exchange
from grasp_psonet.stages.new_visits.predict import named_run
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import SPLIT, VISIT_ID
from grasp_psonet.training.predict import predict_bags

log = logging.getLogger("grasp_psonet")
_SAME_RUN = 1e-3  # of a probability: a GPU that trained rounds otherwise than this processor


def export_run(place: Path, out: Path | None) -> Path:
    """The folder with ``network.onnx``, ``network.pt2``, ``card.md`` and ``card.json`` of the run in ``place``.

    By default it is ``exports/RUN`` in the study. Raises StageError where ``place`` is no complete run, FileError where the
    folder is there already, NetworkError where a package is missing, the network cannot be recorded, or an exported file does
    not give the run's numbers to 1e-4; nothing is left behind then.
    """
    run = named_run(place)
    if run.outcome.has_regions:
        raise NetworkError(
            f"{run.name} reads photos by the region of the body (severity.form regional), which no exported network can be told"
            "\n  next: export a run of severity.form total, or predict with `grasp predict`"
        )
    refuse_without_packages()
    folder = out or run.job.study.folder / "exports" / run.name
    if folder.exists():
        raise FileError(f"{folder} is there already and is left alone\n  next: delete it, or name another with --out")
    if out is not None and not out.parent.is_dir():
        raise FileError(f"there is no folder {out.parent}\n  next: name a folder in one that is there")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _fill(partial, run)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _fill(folder: Path, run: TrainedRun) -> None:
    torch.set_num_threads(run.settings.threads)
    network = run.photo_network(torch.device("cpu"))
    bags, pixels = _shown(run)
    _refuse_other_numbers(run, network, bags, pixels)
    shape = _shape_of(pixels, bags[0])
    log.info("export: recording %s", run.name)
    write_exchange(network, shape, folder)
    log.info("export: comparing with the run on %d visits", len(bags))
    largest = compare(network, _batches(bags, pixels), folder)
    card = card_of(run, network, shape, [len(bag) for bag in bags], largest)
    write_json(folder / "card.json", card, sort_keys=False)
    (folder / "card.md").write_text(card_page(card, run), encoding="utf-8")


def _shown(run: TrainedRun) -> tuple[list[Bag], Pixels]:
    """The visits of val and test (else of train) with the fewest photos, a middling number, and the most."""
    inputs = run.inputs
    pixels: Pixels = inputs.features if run.job.kind == "features" else inputs.store.pixels
    index = inputs.features.index if run.job.kind == "features" else inputs.store.index
    visits = inputs.cohort.visits
    held_out = visits[visits[SPLIT] != "train"]
    bags = make_bags(held_out if len(held_out) else visits, index, run.outcome.label_column)
    order = sorted(bags.values(), key=lambda bag: (len(bag), bag.visit_id))
    places = dict.fromkeys((0, len(order) // 2, len(order) - 1))
    return [order[place] for place in places], pixels


def _batches(bags: list[Bag], pixels: Pixels) -> Iterator[BagBatch]:
    """The smaller ones together, padded; the largest alone."""
    if len(bags) > 1:
        yield collate(bags[:-1], pixels)
    yield collate(bags[-1:], pixels)
    if len(bags) > 1:
        yield collate([bags[-1], bags[0]], pixels)


def _shape_of(pixels: Pixels, bag: Bag) -> tuple[int, ...]:
    first = np.asarray(pixels[bag.rows[0]])
    return (3, *first.shape[:2]) if first.ndim == 3 else first.shape


def _refuse_other_numbers(run: TrainedRun, network: BagNetwork, bags: list[Bag], pixels: Pixels) -> None:
    """Raises NetworkError where the network does not say what the run has on record of these visits."""
    told, _ = predict_bags(network, bags, pixels)
    recorded = run.predictions.set_index(VISIT_ID).loc[told[VISIT_ID]]
    columns = run.outcome.output_columns
    ours, theirs = (table[columns].to_numpy(np.float64) for table in (told, recorded))
    if run.outcome.gives_probabilities:  # logits may differ where what they say does not
        ours, theirs = (with_temperature(logit_VC, 1.0) for logit_VC in (ours, theirs))
    difference = np.abs(ours - theirs).max()
    if not difference <= _SAME_RUN:
        raise NetworkError(
            f"the network of {run.name} does not give the predictions on record: they differ by {difference:g}\n"
            "  next: `grasp prepare` and train again, so that photos, weights and predictions belong together"
        )
