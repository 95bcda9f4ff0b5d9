"""DICOM photographs (visible light, one frame) through the extra ``dicom`` (pydicom)."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.errors import PhotoError

if TYPE_CHECKING:
    from pydicom import Dataset

_VISIBLE_LIGHT = "1.2.840.10008.5.1.4.1.1.77.1."  # VL Endoscopic, Microscopic, Photographic, Dermoscopic Image Storage
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_META = 4096  # bytes in which the header names its form
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")  # baseline, extended: one JPEG file as it is
_GREY = ("MONOCHROME1", "MONOCHROME2")


def read_dicom(data: bytes, open_jpeg: Callable[[bytes], Image.Image]) -> Image.Image:
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
    num_pixels, limit = int(dataset.Rows) * int(dataset.Columns), Image.MAX_IMAGE_PIXELS
    if limit is not None and num_pixels > limit:
        raise Image.DecompressionBombError(f"{dataset.Columns} x {dataset.Rows} pixels, more than {limit}")


def _eight_bits(dataset: "Dataset", pixels: "NDArray[np.generic]") -> NDArray[np.uint8]:
    """Pixels as stored, to 8 bits a channel; of inverted grey, turned round."""
    bits, value = int(dataset.get("BitsStored", 8)), np.asarray(pixels).astype(np.int64)
    if int(dataset.get("PixelRepresentation", 0)):
        value = value + (1 << (bits - 1))
    value = value >> (bits - 8) if bits > 8 else value
    if str(dataset.PhotometricInterpretation) == _GREY[0]:
        value = (1 << min(bits, 8)) - 1 - value
    return value.clip(0, 255).astype(np.uint8)
