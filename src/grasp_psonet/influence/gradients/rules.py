"""One rule per kind of layer: from input activation and output gradient to that layer's gradient of every example.

A rule belongs to a *forward function*: a subclass that computes something else has no rule here and goes through
``local_vjp``. Rules are pure; they see a batch whose examples lie along dimension 0 (an example may own several
neighbouring rows, as the windows of a windowed attention do).

Axes: B examples, T positions, O outputs, K inputs, C channels, S rows of one example, H W height and width.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from timm.layers.conv2d_same import Conv2dSame
from timm.layers.grn import GlobalResponseNorm
from timm.layers.layer_scale import LayerScale, LayerScale2d
from timm.layers.linear import Linear
from timm.layers.norm import GroupNorm, GroupNorm1, LayerNorm, LayerNorm2d
from timm.layers.norm_act import BatchNormAct2d, GroupNorm1Act, GroupNormAct, LayerNormAct, LayerNormAct2d
from timm.layers.padding import pad_same
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, bmm, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from grasp_psonet.errors import TraceError

FEW_POSITIONS = 64  # up to this many, spreading windows is cheaper than the grouped product


@dataclass(frozen=True)
class Outer:
    """A per-example gradient [B, O, K] kept as its two factors: sum over t of left[b, t, o] * right[b, t, k]."""

    left_BTO: Tensor
    right_BTK: Tensor

    def dense(self) -> Tensor:
        """The gradient itself, [B, O, K]."""
        return bmm(self.left_BTO.transpose(1, 2), self.right_BTK)


Gradient = Outer | Tensor  # a Tensor is [B, *shape of the parameter]


@dataclass(frozen=True)
class LayerUse:
    """One use of a module in a forward pass: what went in, the gradient of what came out, which parameters matter."""

    module: nn.Module
    activation: Tensor
    delta: Tensor
    num_examples: int
    wanted: Collection[str]

    def positions(self, tensor: Tensor, num_kept: int) -> Tensor:
        """All but the last ``num_kept`` dimensions as [B, T]."""
        return tensor.reshape(self.num_examples, -1, *tensor.shape[tensor.ndim - num_kept :])

    def per_example(self, gradient: Tensor) -> Tensor:
        """Adds up the gradients of the rows that belong to one example: [B * S, ...] -> [B, ...]."""
        if len(gradient) == self.num_examples:
            return gradient
        return gradient.reshape(self.num_examples, -1, *gradient.shape[1:]).sum(1)


Rule = Callable[[LayerUse], dict[str, Gradient]]


def linear(use: LayerUse) -> dict[str, Gradient]:
    """``nn.Linear`` on inputs of any number of dimensions; all but the last are examples and positions."""
    left_BTO = use.positions(use.delta, 1)
    gradients: dict[str, Gradient] = {}
    if "weight" in use.wanted:
        gradients["weight"] = Outer(left_BTO, use.positions(use.activation, 1))
    if "bias" in use.wanted:
        gradients["bias"] = left_BTO.sum(1)
    return gradients


def conv2d(use: LayerUse) -> dict[str, Gradient]:
    """``nn.Conv2d`` with zero padding: patches (1 x 1 too) and small maps as a linear layer over spread windows,
    depthwise kernels by a forward pass, the rest as one grouped product."""
    conv, activation = use.module, use.activation
    assert isinstance(conv, nn.Conv2d)
    gradients: dict[str, Gradient] = {}
    if "bias" in use.wanted:
        gradients["bias"] = use.per_example(use.delta.sum((2, 3)))
    if "weight" not in use.wanted:
        return gradients
    if isinstance(conv, Conv2dSame):
        activation = pad_same(activation, list(conv.kernel_size), list(conv.stride), list(conv.dilation))
    elif isinstance(conv.padding, str):
        activation = functional.pad(activation, conv._reversed_padding_repeated_twice)
    padding = (0, 0) if isinstance(conv.padding, str) else conv.padding
    is_patches = conv.kernel_size == conv.stride and padding == (0, 0) and conv.dilation == (1, 1) and conv.groups == 1
    is_small = conv.groups == 1 and use.delta.shape[2:].numel() <= FEW_POSITIONS
    if (is_patches or is_small) and len(use.delta) == use.num_examples:
        gradients["weight"] = _spread_kernel(conv, activation, use.delta, None if is_patches else padding)
    elif conv.groups == conv.in_channels:
        gradients["weight"] = use.per_example(_depthwise_kernel(conv, activation, use.delta, padding))
    else:
        gradients["weight"] = use.per_example(_grouped_kernel(conv, activation, use.delta, padding))
    return gradients


def _spread_kernel(conv: nn.Conv2d, activation: Tensor, delta: Tensor, padding: tuple[int, ...] | None) -> Outer:
    """Gradient of a kernel from its windows side by side; ``padding`` None: they touch without overlap."""
    (kernel_h, kernel_w), (height, width) = conv.kernel_size, delta.shape[2:]
    left_BTO = delta.flatten(2).transpose(1, 2)
    if padding is not None:
        windows = functional.unfold(activation, conv.kernel_size, conv.dilation, padding, conv.stride)
        return Outer(left_BTO, windows.transpose(1, 2))
    if conv.kernel_size == (1, 1):
        return Outer(left_BTO, activation.flatten(2).transpose(1, 2))
    cropped = activation[:, :, : height * kernel_h, : width * kernel_w]
    windows = cropped.unflatten(3, (width, kernel_w)).unflatten(2, (height, kernel_h))  # type: ignore[no-untyped-call]
    return Outer(left_BTO, windows.permute(0, 2, 4, 1, 3, 5).reshape(len(delta), height * width, -1))


def _depthwise_kernel(conv: nn.Conv2d, activation: Tensor, delta: Tensor, padding: tuple[int, ...]) -> Tensor:
    """Gradient [rows, O, 1, kh, kw] of one kernel per channel: every channel of every row is convolved with its own
    output gradient as the kernel (stride and dilation change places), a pass as fast as the layer's forward."""
    (kernel_h, kernel_w), (rows, num_outputs) = conv.kernel_size, delta.shape[:2]
    if num_outputs != activation.shape[1]:
        activation = activation.repeat_interleave(num_outputs // activation.shape[1], dim=1)
    kernel = functional.conv2d(
        activation.reshape(1, rows * num_outputs, *activation.shape[2:]),
        delta.reshape(rows * num_outputs, 1, *delta.shape[2:]),
        stride=conv.dilation,
        padding=tuple(padding),
        dilation=conv.stride,
        groups=rows * num_outputs,
    )
    return kernel[:, :, :kernel_h, :kernel_w].reshape(rows, num_outputs, 1, kernel_h, kernel_w)


def _grouped_kernel(conv: nn.Conv2d, activation: Tensor, delta: Tensor, padding: tuple[int, ...]) -> Tensor:
    """Gradient [rows, *kernel]: rows are folded into groups, so that the ordinary weight-gradient kernel keeps them
    and the channels of a depthwise layer apart; no image is spread over its windows."""
    kernel: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
        activation.reshape(1, -1, *activation.shape[2:]),
        (len(delta) * conv.out_channels, *conv.weight.shape[1:]),
        delta.reshape(1, -1, *delta.shape[2:]),
        conv.stride,
        padding,
        conv.dilation,
        len(delta) * conv.groups,
    )
    return kernel.view(len(delta), *conv.weight.shape)


def layer_norm(use: LayerUse) -> dict[str, Gradient]:
    """LayerNorm over the trailing dimensions."""
    norm = use.module
    assert isinstance(norm, nn.LayerNorm)
    shape = list(norm.normalized_shape)
    normal = functional.layer_norm(use.activation, shape, None, None, norm.eps)
    return _affine(use, use.positions(normal, len(shape)), use.positions(use.delta, len(shape)), (1,))


def layer_norm_2d(use: LayerUse) -> dict[str, Gradient]:
    """LayerNorm over the channels of [B, C, H, W]."""
    norm = use.module
    assert isinstance(norm, nn.LayerNorm)
    normal_BHWC = functional.layer_norm(
        use.activation.permute(0, 2, 3, 1), list(norm.normalized_shape), None, None, norm.eps
    )
    return _affine(use, normal_BHWC, use.delta.permute(0, 2, 3, 1), (1, 2))


def group_norm(use: LayerUse) -> dict[str, Gradient]:
    """GroupNorm on [B, C, ...]."""
    norm = use.module
    assert isinstance(norm, nn.GroupNorm)
    normal = functional.group_norm(use.activation, norm.num_groups, None, None, norm.eps)
    return _affine(use, normal, use.delta, tuple(range(2, normal.ndim)))


def batch_norm(use: LayerUse) -> dict[str, Gradient]:
    """BatchNorm with frozen statistics on [B, C, ...]."""
    norm = use.module
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    normal = functional.batch_norm(
        use.activation, norm.running_mean, norm.running_var, None, None, False, 0.0, norm.eps
    )
    return _affine(use, normal, use.delta, tuple(range(2, normal.ndim)))


def layer_scale(use: LayerUse) -> dict[str, Gradient]:
    """A factor per channel of the last dimension."""
    product_BTC = use.positions(use.activation * use.delta, 1)
    return {name: product_BTC.sum(1) for name in use.wanted}


def layer_scale_2d(use: LayerUse) -> dict[str, Gradient]:
    """A factor per channel of [B, C, H, W]."""
    return {name: use.per_example((use.activation * use.delta).sum((2, 3))) for name in use.wanted}


def convnext_gamma(use: LayerUse) -> dict[str, Gradient]:
    """Layer-scale of a timm ConvNeXt block: the branch as it leaves the MLP, ``delta`` [B, C, H, W] where stochastic
    depth is entered."""
    if use.module.use_conv_mlp:
        return layer_scale_2d(use)
    return layer_scale(replace(use, delta=use.delta.permute(0, 2, 3, 1)))


def response_norm(use: LayerUse) -> dict[str, Gradient]:
    """Global response normalisation (ConvNeXt V2), both layouts."""
    norm = use.module
    assert isinstance(norm, GlobalResponseNorm)
    strength = use.activation.norm(p=2, dim=norm.spatial_dim, keepdim=True)
    strength = strength / (strength.mean(dim=norm.channel_dim, keepdim=True) + norm.eps)
    return _affine(use, use.activation * strength, use.delta, norm.spatial_dim)


def vit_tokens(use: LayerUse) -> dict[str, Gradient]:
    """Class token, register tokens and position embedding of a timm ViT; ``delta`` [B, T, C] is the gradient of
    prefix tokens and patches with their positions added."""
    vit = use.module
    assert isinstance(vit, VisionTransformer)
    num_class = 0 if vit.cls_token is None else 1
    gradients = {
        "cls_token": use.delta[:, None, :num_class],
        "reg_token": use.delta[:, None, num_class : vit.num_prefix_tokens],
        "pos_embed": use.delta[:, None, vit.num_prefix_tokens :] if vit.no_embed_class else use.delta[:, None],
    }
    return {name: use.per_example(gradients[name]) for name in use.wanted}


def _affine(use: LayerUse, normal: Tensor, delta: Tensor, dims: tuple[int, ...]) -> dict[str, Gradient]:
    """Gradients of the weight and bias of ``normal * weight + bias``, summed over the dimensions ``dims``."""
    terms = {"weight": lambda: normal * delta, "bias": lambda: delta}
    return {name: use.per_example(terms[name]().sum(dims) if dims else terms[name]()) for name in use.wanted}


def register_layer_rule(layer: type[nn.Module], rule: Rule) -> None:
    """Makes ``rule`` the way to the per-example gradients of this type's parameters, for this process.

    ``rule(use)`` is pure: from one use of the layer (its input, the gradient of its output) it returns the gradient
    ``[examples, *shape of the parameter]`` of each parameter in ``use.wanted`` by its name in the layer, as a tensor or as the
    factors of an ``Outer``. Before a trace it is proven on a few examples against autograd, as built-in rules are; where it is
    wrong, its parameters go the slower way. It serves subclasses that run the same forward, and no others.

    Raises TraceError where the type has no forward of its own, or its forward has a rule.
    """
    forward = layer.forward
    if forward is nn.Module.forward:
        raise TraceError(f"{layer.__name__} has no forward; a rule belongs to the forward function of a layer")
    if forward in RULES:
        raise TraceError(f"the forward of {layer.__name__} has the rule {RULES[forward].__name__} already")
    RULES[forward] = rule


RULES: dict[Callable[..., Tensor], Rule] = {
    nn.Linear.forward: linear,
    Linear.forward: linear,
    nn.Conv2d.forward: conv2d,
    Conv2dSame.forward: conv2d,
    nn.LayerNorm.forward: layer_norm,
    LayerNorm.forward: layer_norm,
    LayerNorm2d.forward: layer_norm_2d,
    nn.GroupNorm.forward: group_norm,
    GroupNorm.forward: group_norm,
    GroupNorm1.forward: group_norm,
    nn.BatchNorm1d.forward: batch_norm,
    BatchNormAct2d.forward: batch_norm,
    GroupNormAct.forward: group_norm,
    GroupNorm1Act.forward: group_norm,
    LayerNormAct.forward: layer_norm,
    LayerNormAct2d.forward: layer_norm_2d,
    LayerScale.forward: layer_scale,
    LayerScale2d.forward: layer_scale_2d,
    GlobalResponseNorm.forward: response_norm,
}
