"""``grasp features``: the start encoder's feature of every photo, computed once; or features that were given, gathered."""

import logging
from dataclasses import asdict
from pathlib import Path

from grasp_psonet.features.extract import Extraction, write_features
from grasp_psonet.features.instances import write_vectors
from grasp_psonet.features.store import CARD_FILE
from grasp_psonet.files import write_json
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.stages.declared.needs import FeatureNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.run import with_weights_of
from grasp_psonet.tables.columns import KEY, PATH
from grasp_psonet.trajectory.machine import use_machine

log = logging.getLogger("grasp_psonet")


def make_features(folder: Path, own: FeatureNeeds, job: Job) -> None:
    """Leaves the feature store of the study's photos in the folder."""
    settings = job.settings
    if own.weights == "random":
        log.warning("  the encoder is untrained (network.weights random): its features tell little of a photo")
    network = with_weights_of(job.study, settings.network)
    device = use_machine(own.device, own.threads)
    extraction = Extraction(network, own.edge_px, settings.seed, own.augmentation, device, own.threads)
    write_features(job.study.store, extraction, folder, job.network_workers)


def read_features(folder: Path, job: Job) -> None:
    """Leaves the vectors that the study's files hold in the folder, as a feature store."""
    instances = job.cohort.photos
    files = instances.drop_duplicates([PATH, KEY])
    length = write_vectors(files, instances, job.photo_root, folder)
    nothing = (0.0, 0.0, 0.0)
    card = EncoderCard("precomputed features", length, nothing, (1.0, 1.0, 1.0), "that of their makers")
    write_json(folder / CARD_FILE, asdict(card))
