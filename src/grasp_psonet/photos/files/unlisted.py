"""Photos that lie among those of a study and that no row names: forgotten in the table, or left over in the folder."""

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from grasp_psonet.photos.files.formats import ENDINGS

_MOST = 100_000


def unlisted_photos(paths: Iterable[str], root: Path) -> list[str]:
    """Paths from ``root`` of files that end as photos do, lie in a folder of one of ``paths``, and are none of them; sorted.

    Folders that are not there or may not be read hold none.
    """
    listed = {posixpath.normpath(path) for path in paths}
    found: list[str] = []
    for folder in sorted({posixpath.dirname(path) for path in listed}):
        if folder.startswith(("/", "..")):
            continue  # a fault of its own
        try:
            with os.scandir(root / folder) as entries:
                names = [
                    entry.name for entry in entries if Path(entry.name).suffix.lower() in ENDINGS and entry.is_file()
                ]
        except (OSError, ValueError):
            continue
        found += [path for name in names if (path := posixpath.join(folder, name)) not in listed]
        if len(found) > _MOST:
            break
    return sorted(found)
