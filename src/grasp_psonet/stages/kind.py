"""What the bags of a study hold: photos, or feature vectors that someone else computed."""

from typing import Literal

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.explain.settings import OF_CAPTUM, ExplainSettings
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.study import Study
from grasp_psonet.training.settings import TrainSettings

Kind = Literal["photos", "features"]


def kind_of(study: Study) -> Kind:
    """By the table that lies there: features.csv or photos.csv. Raises StudyError where both do."""
    if not study.features_file.exists():
        return "photos"
    if study.photos_file.exists():
        raise StudyError(
            f"{study.folder} holds photos.csv and features.csv; a study has one of them\n"
            "  next: keep features.csv for precomputed features, or photos.csv for photos"
        )
    return "features"


def reads_features(study: Study, network: NetworkSettings) -> bool:
    """Whether training reads feature vectors: given ones, or those of an encoder that stands still."""
    return network.is_frozen or kind_of(study) == "features"


def probe_reads_features(study: Study, network: NetworkSettings, train: TrainSettings) -> bool:
    """Whether the epochs of a probe, in which the encoder stands, read the features that the start encoder gave."""
    return train.probe_epochs > 0 and not reads_features(study, network)


def refuse_settings_of_photos(network: NetworkSettings, augmentation: AugmentationSettings) -> None:
    """Raises SettingsError for settings that a study of precomputed features cannot honour."""
    where = "a study of precomputed features has no"
    if network.last_blocks is not None:
        raise SettingsError(f"setting network.train is {network.train!r}; {where} encoder\n  next: network.train all")
    if augmentation.is_on:
        raise SettingsError(
            f"train.augmentation is on; {where} photos to change\n"
            "  next: flip false, and brightness, contrast and shift 0"
        )


def refuse_maps_of_photos(explain: ExplainSettings) -> None:
    """Raises SettingsError for maps that a study of precomputed features cannot give."""
    asked = [method for method in explain.methods if method in OF_CAPTUM]
    if asked:
        raise SettingsError(
            f"setting explain.methods names {', '.join(asked)}; a study of precomputed features has no photos to map\n"
            "  next: set explain.methods to [gradcam], which then names photos without a map"
        )
