"""The settings file of a study that begins."""

import sys
from pathlib import Path

from grasp_psonet.errors import GraspError
from grasp_psonet.presets import preset
from grasp_psonet.settings import load, to_yaml
from grasp_psonet.stages.checking.lost_settings import refuse_dangling, refuse_lost
from grasp_psonet.study import Study


def init(folder: Path | None, chosen: str | None, only_print: bool, overrides: dict[str, str]) -> None:
    """``grasp init``: a study.yaml of the preset and the settings given here. Raises GraspError where there is one already."""
    text = to_yaml(load(Path("the preset"), overrides, preset(chosen) if chosen else {})) + "\n"
    if only_print:
        sys.stdout.write(text)
        return
    if folder is None:
        sys.stderr.write("grasp init: no folder was named\n  next: grasp init STUDY, or grasp init --print\n")
        raise SystemExit(2)
    refuse_dangling(Study(folder))
    target = folder / "study.yaml"
    if target.exists():
        raise GraspError(f"{target} is there already and is left alone\n  next: edit it, or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    sys.stderr.write(f"{target} written\nnext: put visits.csv and photos.csv beside it, then grasp check {folder}\n")


def init_if_absent(study: Path, chosen: str | None, overrides: dict[str, str]) -> None:
    """A study.yaml of the preset (default: demo) and the settings given here, unless there is one."""
    refuse_dangling(Study(study))
    target = study / "study.yaml"
    if target.exists():
        if chosen is not None:
            sys.stderr.write(f"{target} is there already; --preset {chosen} is not applied\n")
        return
    settings = load(target, overrides, preset(chosen or "demo"))
    if Study(study).store.exists():
        refuse_lost(Study(study), settings)
    text = to_yaml(settings)
    study.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n", encoding="utf-8")
