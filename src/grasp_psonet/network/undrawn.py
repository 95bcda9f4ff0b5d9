"""Networks built only to be filled at once: no time goes into drawing weights that nobody will read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

# what torch's and timm's ways of drawing weights do to a parameter in place, and those of torch that are seen as a whole
_DRAWS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.clamp_)
_WAYS = (init.uniform_, init.normal_, init.kaiming_uniform_)


class Undrawn(TorchFunctionMode):
    """A context in which a network is built whose parameters are drawn by nobody: they hold NaN.

    Only for one that is given every parameter before it is used. Loading that is strict refuses what is missing; of other
    loading ``left_undrawn`` tells. Buffers are made as ever, for those that are not saved are given by nobody.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The function's own answer; NaN in the parameter where it would be drawn."""
        given = kwargs or {}
        drawn = args[0] if func in _DRAWS else given.get("tensor") if func in _WAYS else None
        if isinstance(drawn, nn.Parameter):
            drawn.data.fill_(float("nan"))
            return drawn
        return func(*args, **given)


def left_undrawn(network: nn.Module) -> list[str]:
    """Parameters that hold NaN: built in ``Undrawn`` and given no value since."""
    return [name for name, parameter in network.named_parameters() if parameter.isnan().any()]
