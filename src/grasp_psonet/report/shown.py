"""How a number of results.json is shown: it carries its place, so that page and file cannot tell different stories."""

from collections.abc import Callable, Iterator
from typing import Any

from markupsafe import Markup, escape

MISSING = "not estimable"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NARROW = "\N{NARROW NO-BREAK SPACE}"


class Shown:
    """A place in the results: ``at`` is its dotted path, ``raw`` its value. Members are reached by name or position."""

    __slots__ = ("at", "raw")

    def __init__(self, raw: Any, at: str = "") -> None:
        self.raw = raw
        self.at = at

    def __getitem__(self, key: str | int) -> "Shown":
        return Shown(self.raw[key], f"{self.at}.{key}" if self.at else str(key))

    def __iter__(self) -> Iterator["Shown"]:
        return (self[i] for i in range(len(self.raw)))

    def __len__(self) -> int:
        return len(self.raw)

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __html__(self) -> str:
        """Text such as an id or a name; numbers go through ``tag`` with their format."""
        return tag(self, "text")


def count(value: int) -> str:
    return f"{value:,}"


def two(value: float) -> str:
    return _minus(f"{value:z.2f}")


def signed(value: float) -> str:
    """A difference; a third decimal where two would hide on which side of 0 it lies."""
    written = f"{value:+.3f}" if abs(value) < 0.005 else f"{value:+.2f}"
    return "0.000" if float(written) == 0 else _minus(written)


def bound(value: float) -> str:
    """An end of a difference's interval, as ``signed`` without the plus."""
    return signed(value).removeprefix("+")


def points(value: float) -> str:
    return _minus(f"{value:.1f}")


def short(value: float) -> str:
    """A setting: 1, 2.5."""
    return _minus(f"{value:g}")


def percent(value: float) -> str:
    return _minus(f"{100 * value:.1f}") + _NARROW + "%"


def percent0(value: float) -> str:
    return _minus(f"{100 * value:.0f}") + _NARROW + "%"


def score(value: float) -> str:
    """Signed, three digits, e.g. −3.21×10⁻⁵."""
    digits, power = f"{value:+.2e}".split("e")
    if -2 <= int(power) <= 2 or value == 0:
        return _minus(f"{value:+.3f}")
    return _minus(digits) + "×10" + str(int(power)).translate(_SUPERSCRIPTS)


def size(value: float) -> str:
    """As ``score``, of a quantity whose sign says nothing."""
    return score(value).removeprefix("+")


def duration(seconds: float) -> str:
    """Rounded to what matters: 4.7 s, 55 s, 8 min, 3 h 20 min."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h" + (f" {rest} min" if rest else "")


def p_value(value: float) -> str:
    """Three decimals; what is smaller is said to be."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


FORMATS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "count": count,
    "two": two,
    "signed": signed,
    "bound": bound,
    "points": points,
    "short": short,
    "percent": percent,
    "percent0": percent0,
    "score": score,
    "size": size,
    "p_value": p_value,
    "duration": duration,
}


def text(shown: Shown, form: str = "text") -> str:
    """The value as plain text, "not estimable" where there is none."""
    return MISSING if shown.raw is None else FORMATS[form](shown.raw)


def tag(shown: Shown, form: str, element: str = "span") -> Markup:
    """The value as an element that names its place in results.json and its format."""
    kind = "missing" if shown.raw is None else "text" if form == "text" else "number"
    return Markup('<{0} class="{1}" data-at="{2}" data-as="{3}">{4}</{0}>').format(
        element, kind, shown.at, form, escape(text(shown, form))
    )


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
