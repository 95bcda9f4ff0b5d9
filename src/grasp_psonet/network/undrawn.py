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
    """A context in which a network is built whose parameters are drawn by nobody: they hold whatever lay in memory.

    Only for one that is given every parameter before it is used (``load_weights``, ``fill``, or ``load_state_dict``, which
    refuse what is missing). Buffers are made as ever, for those that are not saved are given by nobody.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The function's own answer; the parameter as it is where it would be drawn."""
        if func in _DRAWS and isinstance(args[0], nn.Parameter):
            return args[0]
        given = kwargs or {}
        if func in _WAYS and isinstance(given.get("tensor"), nn.Parameter):
            return given["tensor"]
        return func(*args, **given)
