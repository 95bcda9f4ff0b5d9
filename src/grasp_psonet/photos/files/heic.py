"""HEIC photos, the format of many phones, through the extra ``heic`` (pi-heif: a decoder alone)."""

import io

from PIL import Image

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.large import refuse_large


def read_heic(data: bytes, most_megapixels: int) -> Image.Image:
    """The main picture, turned upright by the file's own orientation. Raises PhotoError without the extra, and for too many
    pixels; what its decoder raises on damage goes on."""
    try:
        import pi_heif
    except ImportError:
        raise PhotoError(
            "is HEIC, which needs the extra `heic`: pip install 'grasp-psonet[heic]', or export it as JPEG"
        ) from None
    opened = pi_heif.open_heif(io.BytesIO(data))
    width_px, height_px = opened.size
    refuse_large(width_px, height_px, most_megapixels)
    image: Image.Image = opened.to_pillow()
    return image


def metadata_of_heic(data: bytes) -> list[tuple[str, bytes]]:
    """EXIF ("exif") and XMP ("xmp") of the main picture, as stored. Raises PhotoError without the extra; what its decoder
    raises on damage goes on."""
    try:
        import pi_heif
    except ImportError:
        raise PhotoError("is HEIC, which needs the extra `heic`: pip install 'grasp-psonet[heic]'") from None
    info = pi_heif.open_heif(io.BytesIO(data)).info
    return [(kind, bytes(info[kind])) for kind in ("exif", "xmp") if info.get(kind)]
