"""The optimizer's law as a training follows it: settings, update rule, and by parameter its learning rate and weight decay.

A training is one phase, or several, one after the other. In a phase every parameter belongs to at most one group, which
scales the learning rate and has a weight decay of its own (torch's ``param_groups``); parameters in no group move by the
settings. Parameters that *stand* in a phase take no part in its steps: their gradient is not taken, it does not count in
the norm that is clipped, and they have no moments. Moments begin at 0 with every phase, and bias correction counts from
there; but in a phase that is only the first in which more parameters move (``began``), those of the others go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from grasp_psonet.errors import SettingsError, StageError
from grasp_psonet.files import read_json, write_json
from grasp_psonet.trajectory.rule import ADAM, Rule
from grasp_psonet.trajectory.settings import OptimizerSettings

LAW_FILE = "optimizer.json"  # in a run's folder
TRAINING, PROBE, FINE_TUNE = "training", "probe", "fine-tune"  # names of phases


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a factor on the learning rate and a weight decay."""

    parameters: frozenset[str]
    lr_scale: float
    weight_decay: float


@dataclass(frozen=True)
class Phase:
    """The law of the steps after ``after``, up to where the next phase begins; moments begin at 0 with the first of them.

    But the moments of parameters named in ``began`` go on from earlier phases: they began after the step told there.
    """

    settings: OptimizerSettings
    groups: tuple[ParameterGroup, ...] = ()
    standing: frozenset[str] = frozenset()
    after: int = 0
    name: str = TRAINING
    rule: Rule = ADAM
    began: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def group_of(self) -> Mapping[str, int]:
        """The place of each parameter's group among ``groups``; parameters in none are left out."""
        return {name: at for at, group in enumerate(self.groups) for name in group.parameters}

    def lr_scale(self, name: str) -> float:
        """What the learning rate of the step is multiplied with for this parameter; 0 where it stands."""
        if name in self.standing:
            return 0.0
        return self.groups[self.group_of[name]].lr_scale if name in self.group_of else 1.0

    def weight_decay(self, name: str) -> float:
        """The weight decay ``lambda`` of this parameter; 0 where it stands."""
        if name in self.standing:
            return 0.0
        return self.groups[self.group_of[name]].weight_decay if name in self.group_of else self.settings.weight_decay

    def rates(self, names: Iterable[str], lr: float) -> dict[str, float]:
        """The learning rate of each of these parameters in a step whose learning rate is ``lr``."""
        return {name: lr * self.lr_scale(name) for name in names}

    def age(self, step: int, name: str | None = None) -> int:
        """Steps that the moments (of this parameter) have seen after this step: t in the bias corrections."""
        return step - self._start(name)

    def begins_after(self, step: int, name: str | None = None) -> bool:
        """Whether the moments (of this parameter; None: all) are 0 before the step that follows this one."""
        return self._start(name) == step and (name is not None or not self.began)

    def _start(self, name: str | None) -> int:
        return self.after if name is None else self.began.get(name, self.after)


@dataclass(frozen=True)
class AdamLaw:
    """The law of a whole training, by its phases in order; the last one's settings are those of the run."""

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        starts = [phase.after for phase in self.phases]
        assert starts[0] == 0, "the first phase begins with the training"
        assert starts == sorted(set(starts)), "phases stand in order"

    @classmethod
    def of(cls, settings: OptimizerSettings, groups: tuple[ParameterGroup, ...] = (), rule: Rule = ADAM) -> "AdamLaw":
        """The law of a training in one phase."""
        return cls((Phase(settings, groups, rule=rule),))

    def at(self, step: int) -> Phase:
        """The phase that step ``step`` (from 1) is in."""
        return [phase for phase in self.phases if phase.after < max(step, 1)][-1]

    def num_steps(self, phase: Phase, num_steps: int) -> int:
        """How many of the training's ``num_steps`` steps are in this phase."""
        ends = [other.after for other in self.phases if other.after > phase.after]
        return min([*ends, num_steps]) - phase.after

    @property
    def settings(self) -> OptimizerSettings:
        """Settings of the last phase; kind, betas, eps and clipping are the same in all."""
        return self.phases[-1].settings

    @property
    def rule(self) -> Rule:
        """The update rule; the same in all phases."""
        return self.phases[-1].rule

    @property
    def kind(self) -> str:
        return self.settings.kind

    @property
    def betas(self) -> tuple[float, float]:
        return self.settings.betas

    @property
    def eps(self) -> float:
        return self.settings.eps

    @property
    def clip_norm(self) -> float | None:
        return self.settings.clip_norm


def facts_of(law: AdamLaw) -> dict[str, Any]:
    """The law as JSON holds it: the settings of its one phase and their groups, or a list of these for several phases."""
    phases = [_facts_of_phase(phase) for phase in law.phases]
    return phases[0] if len(phases) == 1 else {"phases": phases}


def law_of_facts(facts: Mapping[str, Any]) -> AdamLaw:
    """The law that ``facts_of`` wrote. Raises KeyError, TypeError or SettingsError where it did not write this."""
    return AdamLaw(tuple(_phase_of_facts(dict(phase)) for phase in facts.get("phases", [facts])))


def write_law(folder: Path, law: AdamLaw) -> None:
    """Leaves the law in a run's folder."""
    write_json(folder / LAW_FILE, facts_of(law), sort_keys=False)


def read_law(folder: Path) -> AdamLaw:
    """The law that stands in a run's folder. Raises StageError where it is missing or damaged."""
    path = folder / LAW_FILE
    try:
        return law_of_facts(read_json(path))
    except (KeyError, TypeError, SettingsError) as error:
        raise StageError(f"{path} is not the law of an optimizer: {error}\n  next: train again") from None


def _facts_of_phase(phase: Phase) -> dict[str, Any]:
    facts = asdict(phase.settings)
    if phase.groups:
        facts["groups"] = [
            {"lr_scale": one.lr_scale, "weight_decay": one.weight_decay, "parameters": sorted(one.parameters)}
            for one in phase.groups
        ]
    if phase.rule != ADAM:
        facts["rule"] = asdict(phase.rule)
    if phase.name != TRAINING:
        facts |= {"name": phase.name, "after": phase.after, "standing": sorted(phase.standing)}
    if phase.began:
        facts["began"] = dict(sorted(phase.began.items()))
    return facts


def _phase_of_facts(facts: dict[str, Any]) -> Phase:
    groups = tuple(
        ParameterGroup(frozenset(one["parameters"]), one["lr_scale"], one["weight_decay"])
        for one in facts.pop("groups", [])
    )
    name, after, standing = facts.pop("name", TRAINING), facts.pop("after", 0), frozenset(facts.pop("standing", []))
    rule, began = Rule(**facts.pop("rule", {})), facts.pop("began", {})
    facts["betas"] = tuple(facts["betas"])
    return Phase(OptimizerSettings(**facts), groups, standing, after, name, rule, began)
