"""ImageNet weights through timm: whether they lie in the cache, and, before anything long begins, whether they can be had."""

from pathlib import Path

import timm
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from timm.models import PretrainedCfg

from grasp_psonet.errors import NetworkError
from grasp_psonet.network.demo_encoders import DEMO_ENCODERS
from grasp_psonet.network.packaged import PACKAGED, TIMM_NAME, packaged_file

_FILES = ("model.safetensors", "pytorch_model.bin")
_PATIENCE_S = 5.0


def cached_weights(name: str) -> Path | None:
    """The file of a timm model's weights in the Hugging Face cache; None where it was never downloaded."""
    config = _config(name)
    if config is None or not config.hf_hub_id:
        return None
    repository, revision = _repository(config.hf_hub_id)
    names = (config.hf_hub_filename,) if config.hf_hub_filename else _FILES
    found = (try_to_load_from_cache(repository, file, revision=revision) for file in names)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def refuse_unreachable(name: str, weights: str) -> None:
    """Raises NetworkError where pretrained weights are neither cached nor offered by the hub: one question, no retries.

    Packaged weights must be installed. Demo encoders, files and random weights need nothing; a name that timm does not know
    is told when it is built.
    """
    if weights == "packaged":
        packaged_file()
    config = _config(name)
    if weights != "pretrained" or name in DEMO_ENCODERS or config is None or cached_weights(name) is not None:
        return
    if not config.hf_hub_id:
        if config.url or config.file:
            return
        raise unreachable(name, "timm has none for this model")
    repository, revision = _repository(config.hf_hub_id)
    try:
        get_hf_file_metadata(
            hf_hub_url(repository, config.hf_hub_filename or _FILES[0], revision=revision), timeout=_PATIENCE_S
        )
    except Exception as error:  # whatever the hub's client raises of the day
        raise unreachable(name, f"{type(error).__name__}: {str(error).splitlines()[0]}") from error


def unreachable(name: str, why: str) -> NetworkError:
    """What is told of weights that cannot be had."""
    return NetworkError(
        f"the ImageNet weights of {name} cannot be had: {why}\n"
        "  next: run once with network access (they are cached), or download them elsewhere and set\n"
        "  network.weights to the file, or set network.weights random; `grasp doctor` lists the cache"
    )


def _config(name: str) -> PretrainedCfg | None:
    name = TIMM_NAME if name == PACKAGED else name
    return timm.get_pretrained_cfg(name) if timm.is_model(name.split(".")[0]) else None


def _repository(hub_id: str) -> tuple[str, str | None]:
    """The repository and its revision, which timm writes as REPOSITORY@REVISION."""
    repository, _, revision = hub_id.partition("@")
    return repository, revision or None
