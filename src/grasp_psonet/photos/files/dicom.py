"""DICOM photographs (visible light, one frame) through the extra ``dicom`` (pydicom)."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.large import refuse_large

if TYPE_CHECKING:
    from pydicom import Dataset

_VISIBLE_LIGHT = "1.2.840.10008.5.1.4.1.1.77.1."  # VL Endoscopic, Microscopic, Photographic, Dermoscopic Image Storage
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_META = 4096  # bytes in which the header names its form
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")  # baseline, extended: one JPEG file as it is
_TEXTS = ("AE", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT")  # kinds of values that are words
_DEFINED = "1.2.840.10008."  # identifiers that the standard gives
_LARGE = 4096  # bytes of a value that are not read
_GREY = ("MONOCHROME1", "MONOCHROME2")


def read_dicom(data: bytes, open_jpeg: Callable[[bytes], Image.Image], most_megapixels: int) -> Image.Image:
    """The photograph, RGB or grey. Raises PhotoError without the extra, for what is no single photograph, and for too many
    pixels; what pydicom raises on damage goes on."""
    try:
        import pydicom
        from pydicom.encaps import generate_frames
        from pydicom.errors import InvalidDicomError
        from pydicom.pixels.utils import pixel_array
    except ImportError:
        raise PhotoError(
            "is DICOM, which needs the extra `dicom`: pip install 'grasp-psonet[dicom]', or export it as JPEG"
        ) from None
    if _DEFLATED in data[:_META]:  # a few kilobytes could grow without limit before anything of them is known
        raise PhotoError("is DICOM in a deflated form, which is not read; export it as JPEG")
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        _refuse_other_than_photographs(dataset)
        refuse_large(int(dataset.Columns), int(dataset.Rows), most_megapixels)
        if str(dataset.file_meta.get("TransferSyntaxUID", "")) in _JPEG:
            return open_jpeg(next(generate_frames(dataset.PixelData, number_of_frames=1)))
        return Image.fromarray(_eight_bits(dataset, pixel_array(dataset)))
    except (InvalidDicomError, AttributeError, RuntimeError, NotImplementedError, StopIteration) as error:
        raise OSError(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from None


def _refuse_other_than_photographs(dataset: "Dataset") -> None:
    storage, num_frames = str(dataset.get("SOPClassUID", "")), int(dataset.get("NumberOfFrames", 1) or 1)
    if not (storage.startswith(_VISIBLE_LIGHT) or storage == _SECONDARY_CAPTURE):
        raise PhotoError("is DICOM, but no photograph (visible light, one frame); export the photo as JPEG")
    if num_frames != 1:
        raise PhotoError(f"is DICOM of {num_frames} frames; wanted one photo a file")


def _eight_bits(dataset: "Dataset", pixels: "NDArray[np.generic]") -> NDArray[np.uint8]:
    """Pixels as stored, to 8 bits a channel; of inverted grey, turned round."""
    bits, value = int(dataset.get("BitsStored", 8)), np.asarray(pixels).astype(np.int64)
    if int(dataset.get("PixelRepresentation", 0)):
        value = value + (1 << (bits - 1))
    value = value >> (bits - 8) if bits > 8 else value
    if str(dataset.PhotometricInterpretation) == _GREY[0]:
        value = (1 << min(bits, 8)) - 1 - value
    return value.clip(0, 255).astype(np.uint8)


def texts_of_dicom(file: BinaryIO) -> list[str]:
    """What the attributes of a DICOM file say in words: names, ids, institutions, dates, descriptions; a person's name also
    as it is written elsewhere. Raises PhotoError as ``read_dicom`` does."""
    try:
        import pydicom
    except ImportError:
        raise PhotoError("is DICOM, which needs the extra `dicom`: pip install 'grasp-psonet[dicom]'") from None
    if _DEFLATED in file.read(_META):
        raise PhotoError("is DICOM in a deflated form, which is not read")
    file.seek(0)
    dataset = pydicom.dcmread(file, stop_before_pixels=True, defer_size=_LARGE)
    texts = []
    for element in dataset.iterall():
        if element.VR in _TEXTS and element.value is not None:
            values = element.value if element.VM > 1 else [element.value]
            texts += [told for value in values if (told := str(value).strip()) and not told.startswith(_DEFINED)]
            texts += _written_names(str(values[0])) if element.VR == "PN" else []
    return texts


def _written_names(name: str) -> list[str]:
    """Muster^Anna as Anna Muster, Muster Anna and Muster, Anna."""
    parts = [part for part in name.split("=")[0].split("^")[:2] if part]
    return [f"{parts[1]} {parts[0]}", " ".join(parts), ", ".join(parts)] if len(parts) == 2 else []
