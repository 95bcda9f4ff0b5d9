"""Names of traces, keep lists and runs: from the settings, so that what differs stands side by side in a study."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from grasp_psonet.influence.settings import TraceSettings
from grasp_psonet.pruning.settings import Control, K, PruneSettings, in_order

BASELINE = "baseline"
_SEED = "-seed"
_REVISED = "revised-"  # before the name of a revision, in that of its run
PROBE = "probe"  # no run: what the linear probe is called beside runs


@dataclass(frozen=True)
class KeepList:
    """A keep list: its name (its run bears the same), its k, and the control it is (empty: the pruning itself).

    ``k`` is as set, which may be a fraction or a word; of a list that is made (``made_keep_lists``) it is the count taken.
    """

    name: str
    k: K
    control: Control | Literal[""]

    @property
    def pruning(self) -> str:
        """The name of the pruning itself, of a control that of the pruning it is compared with."""
        return self.name.removesuffix(f"-{self.control}") if self.control else self.name


@dataclass(frozen=True)
class Training:
    """One training of the baseline, a keep list or a revision: what is trained, and the number of its training seed.

    Number 0 trains with the study's seed and bears the name of what is trained; only its baseline is traced. Number n trains
    with the study's seed plus n.
    """

    of: str
    number: int = 0

    @property
    def name(self) -> str:
        """The name of its run, e.g. cosine-k40 or cosine-k40-seed2."""
        return f"{self.of}{_SEED}{self.number}" if self.number else self.of

    @property
    def revision(self) -> str | None:
        """The name of the revision that it is trained on; None of others."""
        return self.of.removeprefix(_REVISED) if self.of.startswith(_REVISED) else None


FIRST = Training(BASELINE)  # the run that is traced and audited


def training_of(run: str) -> Training:
    """The training whose run has this name."""
    of, marker, number = run.rpartition(_SEED)
    return Training(of, int(number)) if marker and number.isdigit() else Training(run)


def revised_name(revision: str) -> str:
    """What is trained on a revision is called so."""
    return f"{_REVISED}{revision}"


def trace_name(trace: TraceSettings) -> str:
    """The formula, and whatever else of the settings is not the default, e.g. adam-edit-steps."""
    usual = TraceSettings()
    parts: list[str] = [trace.formula]
    parts += [trace.unit] if trace.unit != usual.unit else []
    parts += [f"{trace.query}-query"] if trace.query != usual.query else []
    parts += [f"{trace.errors}-errors"] if trace.errors != usual.errors else []
    parts += [trace.counting] if trace.counting != usual.counting else []
    parts += ["summed-queries"] if trace.sum_queries else []
    parts += [trace.curvature] if trace.curvature != usual.curvature else []
    if trace.parameters != usual.parameters:
        patterns = trace.parameters if isinstance(trace.parameters, str) else "\n".join(trace.parameters)
        parts.append("head" if patterns == "head" else f"parameters{hashlib.sha256(patterns.encode()).hexdigest()[:6]}")
    return "-".join(parts)


def pruned_names(trace: TraceSettings, prune: PruneSettings) -> dict[K, str]:
    """By k as set, e.g. cosine-k40, cosine-k0.05 or cosine-pattern; rule, end and groups of the ranking are named where they
    are not the usual.
    """
    head = trace_name(trace) + ("-each" if prune.rule == "each" else "")
    head += "" if prune.end == "harmful" else f"-{prune.end}"
    head += "" if prune.within == PruneSettings().within else f"-within-{prune.within}"
    return {k: f"{head}-{k}" if isinstance(k, str) else f"{head}-k{k}" for k in in_order(prune.k)}


def control_names(trace: TraceSettings, prune: PruneSettings) -> dict[tuple[K, Control], str]:
    """By (k, control), e.g. cosine-k40-random."""
    return {
        (k, control): f"{name}-{control}"
        for k, name in pruned_names(trace, prune).items()
        for control in prune.controls
    }


def keep_lists(trace: TraceSettings, prune: PruneSettings) -> list[KeepList]:
    """Every keep list of the settings: per k the pruning, then the controls."""
    pruned = [KeepList(name, k, "") for k, name in pruned_names(trace, prune).items()]
    return pruned + [KeepList(name, k, control) for (k, control), name in control_names(trace, prune).items()]
