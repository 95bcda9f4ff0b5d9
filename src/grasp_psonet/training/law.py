"""The optimizer's law of a training of ours: from its settings, the network's parameters and the batch plan."""

from collections import defaultdict

from grasp_psonet.network.layers import ENCODER, layer_depths, norms_and_biases
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.trajectory.law import AdamLaw, ParameterGroup
from grasp_psonet.trajectory.settings import OptimizerSettings


def training_law(network: BagNetwork, settings: OptimizerSettings) -> AdamLaw:
    """The law of a training of this network. Raises NetworkError for layer-wise rates of an encoder that names no layers."""
    return AdamLaw.of(settings, parameter_groups(network, settings))


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
