"""Parameter groups: bitwise torch's steps, what a recording keeps of them and refuses, and how settings make them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import grasp_psonet
from grasp_psonet.bags.bag import Bag
from grasp_psonet.bags.source import BatchSource
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.errors import NetworkError, SettingsError, StageError, TraceError
from grasp_psonet.influence.any_network.plain_bags import TensorStore
from grasp_psonet.network.layers import layer_depths, norms_and_biases
from grasp_psonet.network.network import build_network
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.training.law import parameter_groups
from grasp_psonet.trajectory.adam import AdamState, clip_coefficient, gradient_norm, learning_rate, optimizer_step
from grasp_psonet.trajectory.any_loop.recording import read_start, with_losses
from grasp_psonet.trajectory.law import AdamLaw, ParameterGroup, Phase, read_law, write_law
from grasp_psonet.trajectory.settings import OptimizerSettings
from grasp_psonet.trajectory.trained_network import TrainedNetwork
from tests.foreign_run import LR, Pooling, loss_of, two_groups
from tests.tiny_study import tiny_network

KINDS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
GROUPS = (ParameterGroup(frozenset({"a"}), 0.3, 0.2), ParameterGroup(frozenset({"b"}), 1.7, 0.0))


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_steps_of_two_groups_are_bitwise_those_of_torch(kind: str) -> None:
    """With warm-up, cosine and clipping; ``c`` is in no group and moves by the settings."""
    settings = OptimizerSettings(
        kind=kind,  # type: ignore[arg-type]
        lr=1e-2,
        betas=(0.8, 0.95),
        weight_decay=0.1,
        schedule="cosine",
        warmup_steps=3,
        clip_norm=4.0,
    )
    phase, scales, decays = Phase(settings, GROUPS), {"a": 0.3, "b": 1.7, "c": 1.0}, {"a": 0.2, "b": 0.0, "c": 0.1}
    torch.manual_seed(0)
    ours = {name: torch.randn(4, 3, dtype=torch.float64) for name in "abc"}
    start, state = {name: weight.clone() for name, weight in ours.items()}, AdamState.at_start(ours)
    theirs = {name: weight.clone().requires_grad_() for name, weight in ours.items()}
    groups = [{"params": [theirs[name]], "weight_decay": decays[name]} for name in "abc"]
    optimizer = KINDS[kind](groups, lr=1.0, betas=(0.8, 0.95), foreach=False)
    clipped = 0
    for step in range(1, 10):
        gradients = {name: torch.randn(4, 3, dtype=torch.float64) for name in "abc"}
        lr = learning_rate(settings, step, 9)
        for name, group in zip("abc", optimizer.param_groups, strict=True):
            group["lr"], theirs[name].grad = lr * scales[name], gradients[name].clone()
        nn.utils.clip_grad_norm_(theirs.values(), 4.0)
        optimizer.step()
        clip = clip_coefficient(gradient_norm(gradients), 4.0)
        clipped += clip < 1
        gradients = {name: gradient * clip for name, gradient in gradients.items()}
        optimizer_step(ours, gradients, state, phase, phase.rates(ours, lr))
    assert clipped >= 3
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name].detach()), name
        assert torch.equal(state.exp_avg_sq[name], optimizer.state[theirs[name]]["exp_avg_sq"])
        assert not torch.allclose(weight, start[name], atol=1e-3), "nothing moved: the comparison would prove nothing"


def test_a_parameter_of_rate_and_decay_0_stands_still() -> None:
    phase = Phase(OptimizerSettings(lr=0.1), (ParameterGroup(frozenset({"a"}), 0.0, 0.0),))
    weights = {"a": torch.ones(3), "b": torch.ones(3)}
    state = AdamState.at_start(weights)
    optimizer_step(weights, {"a": torch.ones(3), "b": torch.ones(3)}, state, phase, phase.rates(weights, 0.1))
    assert torch.equal(weights["a"], torch.ones(3))
    assert not torch.equal(weights["b"], torch.ones(3))


Schedule = Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]
SCHEDULES: dict[str, Schedule] = {
    "warm-up": lambda own: torch.optim.lr_scheduler.LambdaLR(own, lambda step: min(1.0, step / 3)),
    "cosine": lambda own: torch.optim.lr_scheduler.CosineAnnealingLR(own, 7),
}
BAGS = [(torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(b)), b % 3) for b in range(5)]


def _record(
    folder: Path,
    kind: type[torch.optim.Adam] = torch.optim.Adam,
    schedule: Schedule = SCHEDULES["cosine"],
    between: Callable[[torch.optim.Optimizer, int], object] = lambda optimizer, step: None,
) -> tuple[nn.Module, grasp_psonet.Trajectory]:
    """Six clipped steps of two groups of rate and decay of their own; ``between`` steps may change the optimizer."""
    torch.manual_seed(0)
    network = Pooling()
    optimizer = kind(two_groups(network), eps=1e-3)
    scheduler = schedule(optimizer)
    with grasp_psonet.record(network, optimizer, folder, anchor_every=2, clip_norm=0.3) as recorder:
        for step in range(1, 7):
            drawn = [step % 5, (2 * step) % 5]
            recorder.draw(drawn)
            optimizer.zero_grad()
            loss_of(network, [BAGS[b] for b in drawn]).backward()
            nn.utils.clip_grad_norm_([weight for weight in network.parameters() if weight.grad is not None], 0.3)
            optimizer.step()
            scheduler.step()
            between(optimizer, step)
    return network, recorder.trajectory()


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_a_recording_of_two_groups_replays_to_the_bit(tmp_path: Path, kind: str, schedule: str) -> None:
    network, trajectory = _record(tmp_path, KINDS[kind], SCHEDULES[schedule])
    (phase,) = trajectory.optimizer.phases
    assert [(group.lr_scale, group.weight_decay) for group in phase.groups] == [(pytest.approx(0.3), 0.4), (1.0, 0.0)]
    assert set(phase.groups[0].parameters) == {"inner.0.weight", "inner.0.bias"}
    rates = trajectory.steps.groupby("step")[["lr_0", "lr_1", "lr"]].first()
    assert (rates["lr"] == rates["lr_1"]).all()
    assert rates["lr"].max() == LR
    store = TensorStore(tuple(photo for photos, _ in BAGS for photo in photos), torch.float64)
    bags = {str(b): Bag(str(b), b % 3, (f"{b}/0", f"{b}/1"), (2 * b, 2 * b + 1), (True, True)) for b in range(5)}
    source, device = BatchSource(bags, store), torch.device("cpu")
    told = with_losses(trajectory, source.labels)
    workplace = Pooling()
    workplace.unused.requires_grad_(False)
    trained = TrainedNetwork(workplace, told, source, read_start(trajectory, device), tolerance=0.0)
    last = [step for before, until in trained.windows() for step in trained.replay(before, until)][-1]
    assert last.step == 6
    for name, weight in network.named_parameters():
        assert torch.equal(last.weights_after[name], weight), name


def _other_ratio(optimizer: torch.optim.Optimizer, step: int) -> None:
    if step == 3:
        optimizer.param_groups[0]["lr"] *= 2


def _other_decay(optimizer: torch.optim.Optimizer, step: int) -> None:
    if step == 3:
        optimizer.param_groups[1]["weight_decay"] = 0.3


def test_groups_that_change_are_refused_by_step(tmp_path: Path) -> None:
    with pytest.raises(
        TraceError,
        match=r"at step 4 the learning rates of parameter groups 1 and 0 are \S+ and \S+; at first they were",
    ):
        _record(tmp_path / "ratio", between=_other_ratio)
    with pytest.raises(TraceError, match=r"weight decay or the parameters of a group changed at step 4"):
        _record(tmp_path / "decay", between=_other_decay)


def test_groups_alike_are_recorded_as_one(tmp_path: Path) -> None:
    network = Pooling()
    halves = [{"params": list(network.inner.parameters())}, {"params": list(network.out.parameters())}]
    with grasp_psonet.record(network, torch.optim.Adam(halves, lr=LR), tmp_path) as recorder:
        recorder.draw([0])
        loss_of(network, BAGS[:1]).backward()
        recorder.optimizer.step()
    trajectory = recorder.trajectory()
    assert trajectory.optimizer == AdamLaw.of(OptimizerSettings(lr=LR, weight_decay=0.0))
    assert "lr_0" not in trajectory.steps


def test_a_law_is_read_as_it_was_written(tmp_path: Path) -> None:
    settings = OptimizerSettings(kind="adamw", lr=0.1, clip_norm=1.0, schedule="cosine", head_lr=0.2)
    laws = [
        AdamLaw.of(settings),
        AdamLaw.of(settings, GROUPS),
        AdamLaw(
            (
                Phase(replace(settings, lr=1.0), standing=frozenset({"a"}), name="probe"),
                Phase(settings, GROUPS, after=6, name="fine-tune"),
            )
        ),
    ]
    for law in laws:
        write_law(tmp_path, law)
        assert read_law(tmp_path) == law
    assert [laws[2].at(step).name for step in (1, 6, 7)] == ["probe", "probe", "fine-tune"]
    (tmp_path / "optimizer.json").write_text('{"lr": 1}')
    with pytest.raises(StageError, match=r"optimizer.json is not the law of an optimizer: .*\n  next: train again"):
        read_law(tmp_path)


@pytest.mark.parametrize("encoder", ["demo_convnext", "demo_vit"])
def test_settings_make_groups_by_timms_rules(encoder: str) -> None:
    network = build_network(NetworkSettings(encoder=encoder, weights="random"), 64, 0, Outcome())
    plain = OptimizerSettings(lr=1e-3, weight_decay=0.1)
    assert parameter_groups(network, plain) == ()
    settings = replace(plain, head_lr=5e-3, layer_decay=0.5, decay_norms_and_biases=False)
    phase = Phase(settings, parameter_groups(network, settings))
    depths = layer_depths(network)
    spared = norms_and_biases(network)
    assert phase.group_of.keys() == {name for name, _ in network.named_parameters()}
    for name, weight in network.named_parameters():
        assert phase.weight_decay(name) == (0.0 if name in spared else 0.1)
        assert phase.lr_scale(name) == (0.5 ** depths[name] if name.startswith("encoder.") else 5.0)
        assert (name in spared) == (weight.ndim <= 1 or name in ("encoder.cls_token", "encoder.pos_embed"))
    assert min(depths.values()) == (0 if encoder == "demo_convnext" else 1)
    lowest = "encoder.stem.0.weight" if encoder == "demo_convnext" else "encoder.patch_embed.proj.weight"
    assert depths[lowest] == max(depths.values()) > 4


def test_an_encoder_without_layers_and_rates_out_of_range_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"layer_decay: Sequential does not say which layers it has"):
        parameter_groups(tiny_network(), OptimizerSettings(layer_decay=0.5))
    with pytest.raises(SettingsError, match=r"train.optimizer.layer_decay is 1.5"):
        OptimizerSettings(layer_decay=1.5)
    with pytest.raises(SettingsError, match=r"train.optimizer.head_lr is 0"):
        OptimizerSettings(head_lr=0.0)
