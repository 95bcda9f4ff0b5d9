"""Feature vectors in files of other tools: safetensors, npy, npz, HDF5 and parquet, one bag or a part of one a file.

CLAM and TRIDENT write HDF5 with ``features`` [N, F] and ``coords``; some add an axis of length 1 in front. torchmil keeps one
npy file a bag. Nothing here loads torch.
"""

# Axes: N vectors of a file, F feature length.

import importlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from grasp_psonet.errors import FeatureError
from grasp_psonet.tables.columns import PHOTO_ID

KEY = "features"  # the array that is read where a file names no other
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    SafetensorError,
    pa.ArrowException,
)


@dataclass(frozen=True)
class FeatureFile:
    """Vectors as a file holds them: how many, how long, and their names where the file has an array ``photo_id``."""

    num_vectors: int
    feature_length: int
    names: tuple[str, ...] | None


class _Arrays(Protocol):
    """The arrays of an opened file by key; only what is asked for is read."""

    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...

    def read(self, key: str) -> NDArray[Any]: ...


def look_at(path: Path, key: str | None = None) -> FeatureFile:
    """What a file holds, without reading its vectors. ``key``: the array's name, where it is not ``features``.

    Raises FeatureError where the file is missing, of no known kind or damaged, has no such array or no vector in it, or an
    array of another shape than [N, F], and where the names are not one for each.
    """
    with _opened(path) as arrays:
        shapes = arrays.shapes()
        num_vectors, feature_length = _plain_shape(path, *_chosen(path, shapes, key))
        names = tuple(_texts(arrays.read(PHOTO_ID))) if PHOTO_ID in shapes else None
    if names is not None and len(names) != num_vectors:
        raise FeatureError(f"{path} names {len(names)} in {PHOTO_ID!r} and has {num_vectors} vectors")
    return FeatureFile(num_vectors, feature_length, names)


def read_vectors(path: Path, key: str | None = None) -> NDArray[np.float32]:
    """The vectors [N, F] of a file. Raises FeatureError as ``look_at``, and naming the first that is not finite."""
    with _opened(path) as arrays:
        name, shape = _chosen(path, arrays.shapes(), key)
        plain = _plain_shape(path, name, shape)
        found = arrays.read(name)
    if found.dtype.kind not in "fiu":
        raise FeatureError(f"{path} holds {found.dtype} in {name!r}; wanted: numbers")
    with np.errstate(over="ignore"):
        vectors: NDArray[np.float32] = found.reshape(plain).astype(np.float32)
    is_odd_N = ~np.isfinite(vectors).all(axis=1)
    if is_odd_N.any():
        at = int(is_odd_N.argmax())
        raise FeatureError(
            f"{path} holds NaN or infinite numbers in {int(is_odd_N.sum())} of {len(vectors)} vectors of {name!r} (first: "
            f"vector {at + 1})"
        )
    return vectors


def _chosen(path: Path, shapes: Mapping[str, tuple[int, ...]], key: str | None) -> tuple[str, tuple[int, ...]]:
    """The array to read and its shape: the one named, else ``features``, else the only one there is."""
    others = [name for name in shapes if name != PHOTO_ID]
    name = key or (KEY if KEY in shapes or len(others) != 1 else others[0])
    if name not in shapes:
        raise FeatureError(f"{path} has no array {name!r}; it has: {', '.join(sorted(shapes)) or 'none'}")
    return name, shapes[name]


def _plain_shape(path: Path, name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    plain = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    if len(plain) != 2 or not plain[1]:
        raise FeatureError(f"{path} holds {list(shape)} in {name!r}; wanted: [vectors, length]")
    if not plain[0]:
        raise FeatureError(f"{path} holds no vector in {name!r}: the bag is empty")
    return plain[0], plain[1]


def _texts(names: NDArray[Any]) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names.ravel().tolist()]


@contextmanager
def _opened(path: Path) -> Iterator[_Arrays]:
    """The arrays of a file by its ending. Raises FeatureError naming the file, whatever its reader raises."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise FeatureError(f"{path} is of no known kind; wanted: {', '.join(_READERS)}")
    if not path.is_file():
        raise FeatureError(f"{path} does not exist; check `path` in features.csv and the setting photos.root")
    try:
        yield reader(path)
    except FeatureError:
        raise
    except _DAMAGE as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        raise FeatureError(f"{path} cannot be read: {said}") from None


class _Npy:
    def __init__(self, path: Path) -> None:
        self._array = np.load(path, mmap_mode="r", allow_pickle=False)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {KEY: self._array.shape}

    def read(self, key: str) -> NDArray[Any]:
        del key  # it holds one array
        return np.array(self._array)


class _Npz:
    def __init__(self, path: Path) -> None:
        self._path = path

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        found = {}
        with zipfile.ZipFile(self._path) as archive:
            for member in archive.namelist():
                with archive.open(member) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    found[member.removesuffix(".npy")] = read(file)[0]
        return found

    def read(self, key: str) -> NDArray[Any]:
        with np.load(self._path, allow_pickle=False) as archive:
            found: NDArray[Any] = archive[key]
        return found


class _Safetensors:
    def __init__(self, path: Path) -> None:
        self._path = path

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        with safe_open(self._path, framework="np") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118  not a dict

    def read(self, key: str) -> NDArray[Any]:
        with safe_open(self._path, framework="np") as file:
            found: NDArray[Any] = file.get_tensor(key)
        return found


class _Hdf5:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._h5py = importlib.import_module("h5py")
        except ModuleNotFoundError:
            raise FeatureError(f"{path} needs the package h5py; install the extra: grasp-psonet[hdf5]") from None

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}

        def note(name: str, held: Any) -> None:
            if isinstance(held, self._h5py.Dataset):
                found[name] = tuple(held.shape)

        with self._h5py.File(self._path, "r") as file:
            file.visititems(note)
        return found

    def read(self, key: str) -> NDArray[Any]:
        with self._h5py.File(self._path, "r") as file:
            return np.asarray(file[key][()])


class _Parquet:
    """One column of lists a vector; or one column a component, all columns of numbers together being ``features``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with pq.ParquetFile(path) as file:
            self._schema, self._num_rows = file.schema_arrow, int(file.metadata.num_rows)
        self._numbers = [field.name for field in self._schema if _is_number(field.type)]

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        lists = [field.name for field in self._schema if _is_list(field.type)]
        found: dict[str, tuple[int, ...]] = {name: self._shape_of_lists(name) for name in lists}
        if self._numbers and KEY not in found:
            found[KEY] = (self._num_rows, len(self._numbers))
        if PHOTO_ID in self._schema.names:
            found[PHOTO_ID] = (self._num_rows,)
        return found

    def read(self, key: str) -> NDArray[Any]:
        if key == PHOTO_ID:
            return np.array(self._column(key).to_pylist(), dtype=object)
        if key == KEY and key not in self._schema.names:
            table = pq.read_table(self._path, columns=self._numbers)
            return np.stack([np.asarray(column.to_numpy(), dtype=float) for column in table.columns], axis=1)
        return np.stack(self._column(key).to_numpy(zero_copy_only=False)) if self._num_rows else np.zeros((0, 0))

    def _column(self, name: str) -> Any:
        return pq.read_table(self._path, columns=[name]).column(0).combine_chunks()

    def _shape_of_lists(self, name: str) -> tuple[int, ...]:
        kind = self._schema.field(name).type
        if pa.types.is_fixed_size_list(kind):
            return self._num_rows, int(kind.list_size)
        lengths = set(pc.list_value_length(self._column(name)).to_pylist())
        if len(lengths) > 1:
            raise FeatureError(f"{self._path} holds vectors of {len(lengths)} different lengths in {name!r}")
        return self._num_rows, next(iter(lengths), 0) or 0


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_list(kind: Any) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and _is_number(kind.value_type))


_READERS: Mapping[str, Any] = {
    ".safetensors": _Safetensors,
    ".npy": _Npy,
    ".npz": _Npz,
    ".h5": _Hdf5,
    ".hdf5": _Hdf5,
    ".parquet": _Parquet,
}
FILE_ENDINGS = tuple(_READERS)
