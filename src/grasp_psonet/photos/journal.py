"""What of a photo store is done: one line per photo, so that an interrupted attempt goes on where it stopped."""

import json
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

JOURNAL_FILE = "journal.jsonl"
_Measures = dict[str, Any]


class Journal:
    """The lines of the attempt before, and those that are added. A line that was cut off is left out, and a photo whose
    pixels are not those that were noted (after a power failure) is to be done again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_FILE
        self._crc: dict[int, int] = {}
        self.measures: dict[int, _Measures] = {}
        self._file: IO[str] | None = None

    def __enter__(self) -> "Journal":
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._take(line)
        self._file = self._path.open("a", encoding="utf-8")
        self._file.write("\n")  # closes a line that was cut off
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._file is not None
        self._file.close()

    def rows_to_do(self, pixels: NDArray[np.uint8]) -> list[int]:
        """The rows of the store that are not done; those whose pixels are not as noted are forgotten."""
        for row in [row for row, crc in self._crc.items() if row >= len(pixels) or _crc(pixels[row]) != crc]:
            del self._crc[row], self.measures[row]
        return [row for row in range(len(pixels)) if row not in self._crc]

    def note(self, row: int, pixels: NDArray[np.uint8], measures: _Measures) -> None:
        """Says that the photo of this row stands."""
        assert self._file is not None
        self._crc[row], self.measures[row] = _crc(pixels), measures
        self._file.write(json.dumps([row, self._crc[row], measures]) + "\n")
        self._file.flush()

    def forget(self) -> None:
        """Takes everything for undone."""
        assert self._file is not None
        self._file.truncate(0)
        self._crc.clear()
        self.measures.clear()

    def delete(self) -> None:
        """Once all is done."""
        self._path.unlink(missing_ok=True)

    def _take(self, line: str) -> None:
        try:
            row, crc, measures = json.loads(line)
            self._crc[int(row)], self.measures[int(row)] = int(crc), dict(measures)
        except (ValueError, TypeError):
            return


def _crc(pixels: NDArray[np.uint8]) -> int:
    return zlib.crc32(pixels.tobytes())
