"""The optimizer's law of a training of ours: from its settings, the network's parameters and the batch plan."""

from collections import defaultdict
from dataclasses import replace

import pandas as pd

from grasp_psonet.errors import SettingsError
from grasp_psonet.network.layers import ENCODER, layer_depths, norms_and_biases
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.tables.columns import EPOCH, STEP
from grasp_psonet.training.settings import TrainSettings
from grasp_psonet.trajectory.law import FINE_TUNE, PROBE, AdamLaw, ParameterGroup, Phase
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.step import trained_parameters


def training_law(network: BagNetwork, settings: TrainSettings, plan: pd.DataFrame) -> AdamLaw:
    """The law of a training of this network along this plan: one phase, or the probe and then fine-tuning (Kumar et al. 2022).

    In the probe's epochs the encoder stands and everything else moves at ``probe_lr``; then all move by the optimizer's
    settings, with moments that begin at 0. Raises SettingsError for a probe of a network whose encoder is not trained, and
    NetworkError for layer-wise rates of an encoder that names no layers.
    """
    tuned = Phase(settings.optimizer, parameter_groups(network, settings.optimizer))
    if not settings.probe_epochs:
        return AdamLaw((tuned,))
    encoder = frozenset(name for name in trained_parameters(network) if name.startswith(ENCODER))
    if not encoder:
        raise SettingsError(
            f"setting train.probe_epochs is {settings.probe_epochs}; the encoder is not trained, and nothing begins after a "
            "probe\n  next: train.probe_epochs 0, or network.train all"
        )
    last = int(plan.loc[plan[EPOCH] <= settings.probe_epochs, STEP].max())
    constant = replace(
        settings.optimizer, lr=settings.probe_lr, head_lr=None, layer_decay=1.0, schedule="constant", warmup_steps=0
    )
    probe = Phase(constant, parameter_groups(network, constant), standing=encoder, name=PROBE)
    return AdamLaw((probe, replace(tuned, after=last, name=FINE_TUNE)))


def parameter_groups(network: BagNetwork, settings: OptimizerSettings) -> tuple[ParameterGroup, ...]:
    """Parameters of the same rate and decay, by ``head_lr``, ``layer_decay`` and ``decay_norms_and_biases``.

    Empty where all of them are in one.
    """
    depths = {} if settings.layer_decay == 1 else layer_depths(network)
    spared = frozenset() if settings.decay_norms_and_biases else norms_and_biases(network)
    head_scale = 1.0 if settings.head_lr is None else settings.head_lr / settings.lr
    members: dict[tuple[float, float], set[str]] = defaultdict(set)
    for name, _ in network.named_parameters():
        scale = settings.layer_decay ** depths.get(name, 0) if name.startswith(ENCODER) else head_scale
        members[scale, 0.0 if name in spared else settings.weight_decay].add(name)
    if members.keys() == {(1.0, settings.weight_decay)}:
        return ()
    return tuple(ParameterGroup(frozenset(names), *of_all) for of_all, names in sorted(members.items(), reverse=True))
