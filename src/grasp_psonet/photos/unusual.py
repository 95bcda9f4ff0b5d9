"""What is unusual about the quality of a new photo, beside the photos that a study has."""

from dataclasses import asdict, dataclass

import pandas as pd

from grasp_psonet.photos.measures import Quality

_LOW, _HIGH = 0.005, 0.995  # shares of the study's photos beyond which a photo is called unusual, per side

# measure -> what a photo is called below and above the usual range; empty where that side is no fault
_WORDS = {
    "brightness": ("dark", "bright"),
    "contrast": ("of little contrast", ""),
    "sharpness": ("blurred", ""),
    "cast_red_green": ("greenish", "reddish"),
    "cast_yellow_blue": ("bluish", "yellowish"),
}


@dataclass(frozen=True)
class UsualQuality:
    """Per measure the range that 99 % of the study's photos lie in. It informs: skin, light and camera move it too."""

    ranges: dict[str, tuple[float, float]]
    num_photos: int

    def warnings(self, quality: Quality) -> list[str]:
        """In words what is unusual, e.g. ``dark (brightness 31; usual 80 to 190)``."""
        found, measures = [], asdict(quality)
        for name, (below, above) in _WORDS.items():
            low, high = self.ranges[name]
            word = below if measures[name] < low else above if measures[name] > high else ""
            if word:
                found.append(f"{word} ({name.replace('_', ' ')} {measures[name]:.3g}; usual {low:.3g} to {high:.3g})")
        return found


def usual_quality(index: pd.DataFrame) -> UsualQuality:
    """The usual ranges of a photo store's index."""
    ranges = {name: (float(index[name].quantile(_LOW)), float(index[name].quantile(_HIGH))) for name in _WORDS}
    return UsualQuality(ranges, len(index))
