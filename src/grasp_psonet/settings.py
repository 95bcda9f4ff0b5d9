"""The settings tree: one typed value for a whole study, from study.yaml and the command line.

Every room declares its own settings; this module only puts them together, parses them with pydantic and turns its
findings into messages a person can act on.
"""

import dataclasses
import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter, ValidationError

from grasp_psonet.audit.settings import AuditSettings
from grasp_psonet.cohort.revise_settings import ReviseSettings
from grasp_psonet.cohort.settings import SeveritySettings, SplitSettings
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.synthetic.settings import SyntheticSettings
from grasp_psonet.diagnosis.settings import DiagnoseSettings
from grasp_psonet.errors import SettingsError
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.explain.settings import ExplainSettings
from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.out_of_fold.settings import OutOfFoldSettings
from grasp_psonet.photos.settings import PhotoSettings
from grasp_psonet.pruning.settings import PruneSettings
from grasp_psonet.reading.settings import ReadingSettings
from grasp_psonet.report.settings import ReportSettings
from grasp_psonet.setting import STRICT, group, newer_setting, refuse_unless, setting
from grasp_psonet.training.settings import TrainSettings
from grasp_psonet.yaml_tree import read_tree


@dataclass(frozen=True)
class MachineSettings:
    """What of this machine, or of a cluster, is used; the number of threads is part of a run's identity, who works is not."""

    __pydantic_config__ = STRICT

    device: Literal["auto", "cpu", "cuda"] = setting("auto", "where networks run")
    threads: int = setting(1, "CPU threads of one network; part of what makes a run bitwise repeatable")
    micro_batch: int | None = newer_setting(
        None,
        "photos that one pass of a training step, its replay or its curvature takes, for small memories (whole visits; null: "
        "all of a step): the same steps up to rounding",
    )
    gradient_checkpointing: bool = newer_setting(
        False,
        "training computes the encoder's activations again on the way back instead of keeping them: less memory, more time",
    )
    processes: int = setting(2, "retrainings, folds, parts of photos and of features at the same time")
    cluster: str = setting(
        "none",
        "where they are done: none (processes of this machine), local or slurm (a Dask cluster of so many workers), or the "
        "address of a Dask scheduler, tcp://HOST:8786 or tls://HOST:8786",
    )

    def __post_init__(self) -> None:
        refuse_unless(self.threads >= 1, "machine.threads", self.threads, "at least 1")
        is_usable = self.micro_batch is None or self.micro_batch >= 1
        refuse_unless(is_usable, "machine.micro_batch", self.micro_batch, "at least 1 photo, or null")
        refuse_unless(self.processes >= 1, "machine.processes", self.processes, "at least 1")
        is_known = self.cluster in ("none", "local", "slurm") or self.cluster.startswith(("tcp://", "tls://"))
        refuse_unless(
            is_known, "machine.cluster", self.cluster, "none, local, slurm, tcp://HOST:PORT or tls://HOST:PORT"
        )


@dataclass(frozen=True)
class StudySettings:
    """Every setting of a study."""

    __pydantic_config__ = STRICT

    seed: int = setting(0, "names every random choice of training, drawn splits, controls and intervals")
    cohort_seed: int = setting(0, "names every random choice of the synthetic cohort")
    machine: MachineSettings = group(MachineSettings)
    cohort: SyntheticSettings = group(SyntheticSettings)
    severity: SeveritySettings = group(SeveritySettings)
    tables: TablesSettings = group(TablesSettings)
    split: SplitSettings = group(SplitSettings)
    photos: PhotoSettings = group(PhotoSettings)
    network: NetworkSettings = group(NetworkSettings)
    train: TrainSettings = group(TrainSettings)
    trace: TraceSettings = group(TraceSettings)
    prune: PruneSettings = group(PruneSettings)
    evaluate: EvaluateSettings = group(EvaluateSettings)
    out_of_fold: OutOfFoldSettings = group(OutOfFoldSettings)
    audit: AuditSettings = group(AuditSettings)
    revise: ReviseSettings = group(ReviseSettings)
    explain: ExplainSettings = group(ExplainSettings)
    diagnose: DiagnoseSettings = group(DiagnoseSettings)
    report: ReportSettings = group(ReportSettings)
    reading: ReadingSettings = group(ReadingSettings)

    def __post_init__(self) -> None:
        is_told = self.explain.sign == "total" or self.severity.form == "regional"
        wanted = "total, or severity.form regional, whose network grades signs"
        refuse_unless(is_told, "explain.sign", self.explain.sign, wanted)
        if self.machine.gradient_checkpointing and self.network.is_frozen:
            raise SettingsError(
                "machine.gradient_checkpointing with network.train head: the encoder is not trained, and keeps no activations\n"
                "  next: leave machine.gradient_checkpointing out"
            )
        if self.prune.rule == "each" and self.trace.pairs != "all" and not self.trace.sum_queries:
            raise SettingsError(
                f"prune.rule each with trace.pairs {self.trace.pairs}: each error's own ranking needs its score of every photo"
                "\n  next: set trace.pairs all, or prune.rule together"
            )


_TREE: TypeAdapter[StudySettings] = TypeAdapter(StudySettings)


def parse(tree: dict[str, Any], source: str) -> StudySettings:
    """Settings from nested plain values; ``source`` names where they came from in errors. Raises SettingsError."""
    try:
        return _TREE.validate_python(tree)
    except ValidationError as error:
        told = [_message(fault["loc"], fault["type"], fault["msg"], fault["input"]) for fault in error.errors()]
        faults = _merged_by_value(told)
        raise SettingsError(
            f"{len(faults)} setting(s) of {source} cannot be used:\n  "
            + "\n  ".join(faults)
            + "\n  next: correct them; `grasp init --print` shows every setting with its meaning"
        ) from None


def load(path: Path, overrides: dict[str, str] | None = None, preset: dict[str, Any] | None = None) -> StudySettings:
    """Settings of a study.yaml (an empty or missing file means all defaults), then overrides by dotted path."""
    tree = read_tree(path) if path.exists() else {}
    tree = merged(preset or {}, tree)
    for dotted, text in (overrides or {}).items():
        _put(tree, dotted, text)
    return parse(tree, str(path) + (" and the command line" if overrides else ""))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over`` in their places; groups are merged, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def dotted_paths(kind: type = StudySettings, prefix: str = "") -> dict[str, tuple[str, Any]]:
    """Every setting by its dotted path, with its line of help and its default."""
    paths: dict[str, tuple[str, Any]] = {}
    default = kind()
    for field in dataclasses.fields(kind):
        value = getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            paths |= dotted_paths(type(value), f"{prefix}{field.name}.")
        else:
            paths[prefix + field.name] = (field.metadata["help"], value)
    return paths


def to_yaml(settings: Any, indent: str = "") -> str:
    """A study.yaml with every setting, its value and one line of help."""
    lines = []
    for field in dataclasses.fields(settings):
        value, text = getattr(settings, field.name), field.metadata["help"]
        if dataclasses.is_dataclass(value):
            lines += ["", f"{indent}{field.name}:  # {text}", to_yaml(value, indent + "  ")]
        else:
            plain = list(value) if isinstance(value, tuple) else value
            written = yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()
            lines.append(f"{indent}{field.name}: {written}  # {text}")
    return "\n".join(lines).strip("\n") if not indent else "\n".join(lines)


def _put(tree: dict[str, Any], dotted: str, text: str) -> None:
    text = _as_typed(dotted, text)
    *groups, last = dotted.split(".")
    place = tree
    for name in groups:
        below = place.get(name)
        place[name] = dict(below) if isinstance(below, dict) else {}
        place = place[name]
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingsError(f"setting {dotted} is {text!r}, which is no YAML value\n  next: quote it") from None
    if isinstance(dotted_paths().get(dotted, ("", None))[1], tuple) and not isinstance(value, list):
        value = [yaml.safe_load(part) for part in text.split(",")]  # 3 or 3,6 for [3, 6]
    place[last] = value


def _as_typed(dotted: str, text: str) -> str:
    """The word of the command line as it was typed: a plain locale (LC_ALL=C) hands on other letters as stray bytes."""
    try:
        return os.fsencode(text).decode("utf-8") if any("\udc80" <= letter <= "\udcff" for letter in text) else text
    except UnicodeDecodeError:
        raise SettingsError(
            f"setting {dotted} is {text!r}, which is no text in UTF-8\n  next: write it into study.yaml, saved as UTF-8"
        ) from None


def _merged_by_value(messages: list[str]) -> list[str]:
    """The messages, those on one value that may be of several types in one: wanted: text or a list."""
    wanted: dict[str, list[str]] = {}
    for message in messages:
        seen, _, wish = message.partition(_WANTS)
        wanted.setdefault(seen, []).append(wish)
    return [seen + _WANTS * any(wishes) + " or ".join(wishes) for seen, wishes in wanted.items()]


def _message(location: tuple[int | str, ...], kind: str, message: str, value: Any) -> str:
    if (
        location
        and str(location[-1]).startswith(("str", "tuple[", "literal["))
        and ".".join(map(str, location)) not in dotted_paths()
    ):
        location = location[:-1]  # one of the types that the value may be of
    if kind == "value_error":  # raised by the settings themselves, which name their path
        return message.removeprefix("Value error, ")
    path = ".".join(str(part) for part in location)
    if kind == "unexpected_keyword_argument":
        same_end = [known for known in dotted_paths() if known.rpartition(".")[2] == path.rpartition(".")[2]]
        near = difflib.get_close_matches(path, same_end or dotted_paths(), n=1, cutoff=0.4)
        return f"{path}: no such setting" + (f"; did you mean {near[0]}?" if near else "")
    if kind == "dataclass_type":
        return f"{path} is {value!r}; wanted: a group of settings by name"
    if kind == "missing":
        return f"{location[-1]} of {path.rpartition('.')[0]} is missing, which is {value!r}"
    shown = "null" if value is None else repr(value)
    wanted = next((words for start, words in _WANTED.items() if kind.startswith(start)), "")
    return f"{path} is {shown}{_WANTS}{wanted or message.removeprefix('Input should be ')}"


_WANTS = "; wanted: "
# what pydantic's kinds of faults ask for, in plain words; a choice names its values itself
_WANTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
}
