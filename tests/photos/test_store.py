"""The store: rows in the order of the table, the same bytes however made, no metadata, all faults at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from grasp_psonet.errors import PhotoError, StageError
from grasp_psonet.photos import workers
from grasp_psonet.photos.check import photo_faults
from grasp_psonet.photos.files.decode import decode_photo
from grasp_psonet.photos.files.place import PhotoRoot
from grasp_psonet.photos.journal import JOURNAL_FILE, Journal
from grasp_psonet.photos.store import INDEX_FILE, PIXELS_FILE, SKIPPED_FILE, StoreForm, open_store, write_store
from grasp_psonet.tables.schemas.store import SKIPPED
from grasp_psonet.workers import Workers

NUM_PHOTOS = 40
SECRET = "SECRET-PLACE"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """40 noisy photos of 13 visits, each with an EXIF of its own, a GPS position, an XMP packet and a comment."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(NUM_PHOTOS):
        exif = Image.Exif()
        exif[0x0112], exif[0x010E], exif[0x013B] = 6, SECRET, SECRET
        exif.get_ifd(0x8825)[29] = "2024:01:02"
        exif.get_ifd(0x8825)[28] = SECRET.encode()
        pixels = rng.integers(0, 255, (12, 9, 3), dtype=np.uint8).repeat(5, axis=0).repeat(5, axis=1)
        xmp = f"<x:xmpmeta>{SECRET}</x:xmpmeta>".encode()
        Image.fromarray(pixels).save(root / f"{n}.jpg", exif=exif, xmp=xmp, comment=SECRET)
        rows.append((f"p{n}", f"v{n // 3}", "front" if n % 2 else None, f"{n}.jpg"))
    table = pd.DataFrame(rows, columns=["photo_id", "visit_id", "view", "path"], dtype="string")
    return table, root


def test_the_store_holds_every_photo_in_order(photos: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, root = photos
    write_store(table, PhotoRoot(root), StoreForm(24), tmp_path / "store")
    store = open_store(tmp_path / "store")
    assert store.pixels.shape == (NUM_PHOTOS, 24, 24, 3)
    assert isinstance(store.pixels, np.memmap)
    assert store.edge_px == 24
    for row, path in enumerate(table["path"]):
        assert (store.pixels[row] == decode_photo(root / path, 24).pixels).all()
    assert store.index["row"].tolist() == list(range(NUM_PHOTOS))
    assert store.index["photo_id"].tolist() == table["photo_id"].tolist()
    assert store.index["view"].isna().tolist() == table["view"].isna().tolist()
    assert set(zip(store.index["width_px"], store.index["height_px"], strict=True)) == {(60, 45)}


def test_no_metadata_of_the_originals_survives(photos: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, root = photos
    original = (root / "0.jpg").read_bytes()
    traces = (SECRET.encode(), b"Exif", b"xmpmeta", b"2024:01:02")
    assert all(trace in original for trace in traces), "the originals have nothing to hide: nothing is proved"
    write_store(table, PhotoRoot(root), StoreForm(24), tmp_path / "store")
    for file in (tmp_path / "store").iterdir():
        for trace in traces:
            assert trace not in file.read_bytes()
    turned = open_store(tmp_path / "store").pixels[0]
    with Image.open(root / "0.jpg") as stored:
        as_stored = np.asarray(stored.resize((24, 24), Image.Resampling.BICUBIC))
    assert np.abs(turned.astype(int) - np.rot90(as_stored, -1)).mean() < 8, "orientation 6 is a quarter turn clockwise"


def test_the_bytes_do_not_depend_on_the_processes(photos: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, root = photos
    for processes in (1, 2):
        write_store(table, PhotoRoot(root), StoreForm(24), tmp_path / str(processes), Workers(processes))
    for name in (PIXELS_FILE, INDEX_FILE):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize("processes", [1, 2])
def test_every_unreadable_photo_is_told_at_once(
    photos: tuple[pd.DataFrame, Path], tmp_path: Path, processes: int
) -> None:
    table, root = photos
    (root / "torn.jpg").write_bytes((root / "5.jpg").read_bytes()[:-400])
    (root / "text.jpg").write_text("not a photo")
    table = table.copy()
    for row, path in {5: "torn.jpg", 17: "text.jpg", 33: "gone.jpg"}.items():
        table.loc[row, "path"] = path
    with pytest.raises(PhotoError) as raised:
        write_store(table, PhotoRoot(root), StoreForm(24), tmp_path / "store", Workers(processes))
    first, *messages = str(raised.value).splitlines()
    assert first == "3 of 40 photos cannot be read:"
    for message, parts in zip(
        messages, (("p5", "damaged"), ("p17", "not a photo that is read"), ("p33", "not exist"), ("next",)), strict=True
    ):
        assert all(part in message for part in parts), message
    with pytest.raises(StageError, match=r"no complete photo store|cannot be read as the index of the photo store"):
        open_store(tmp_path / "store")


def test_stores_that_do_not_fit_are_refused(photos: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, root = photos
    folder = tmp_path / "store"
    with pytest.raises(StageError, match=r"no complete photo store|cannot be read as the index of the photo store"):
        open_store(folder)
    write_store(table, PhotoRoot(root), StoreForm(16), folder)
    pd.read_parquet(folder / INDEX_FILE).iloc[1:].to_parquet(folder / INDEX_FILE)
    with pytest.raises(StageError, match="has 39 photos"):
        open_store(folder)
    (folder / INDEX_FILE).write_bytes(b"no parquet")
    with pytest.raises(StageError, match=r"no complete photo store|cannot be read as the index of the photo store"):
        open_store(folder)
    write_store(table, PhotoRoot(root), StoreForm(16), folder)
    (folder / PIXELS_FILE).write_bytes((folder / PIXELS_FILE).read_bytes()[:5000])
    with pytest.raises(StageError, match=r"no complete photo store|cannot be read as the index of the photo store"):
        open_store(folder)


def test_check_names_the_rows_of_files_that_cannot_be_opened(photos: tuple[pd.DataFrame, Path]) -> None:
    table, root = photos
    (root / "text.jpg").write_text("not a photo")
    table = table.set_axis(range(2, 2 + len(table)))
    assert photo_faults(table, PhotoRoot(root)) == {}
    table.loc[[4, 9, 11], "path"] = ["gone.jpg", "text.jpg", ""]
    told = photo_faults(table, PhotoRoot(root))
    assert list(told) == [4, 9]
    assert told[4].startswith("photos.csv row 4: ")
    assert told[9].startswith("photos.csv row 9: ")
    assert photo_faults(table[["photo_id"]], PhotoRoot(root)) == {}


def _spoil(root: Path, table: pd.DataFrame, spoiled: dict[int, str]) -> pd.DataFrame:
    (root / "torn.jpg").write_bytes((root / "5.jpg").read_bytes()[:-400])
    table = table.copy()
    for row, path in spoiled.items():
        table.loc[row, "path"] = path
    return table


@pytest.mark.parametrize("processes", [1, 2])
def test_damaged_photos_are_left_out_where_the_setting_says_so(
    photos: tuple[pd.DataFrame, Path], tmp_path: Path, processes: int
) -> None:
    table, root = photos
    write_store(table, PhotoRoot(root), StoreForm(24), tmp_path / "all")
    spoiled = _spoil(root, table, {5: "torn.jpg", 33: "gone.jpg"})
    form = StoreForm(24, damaged="skip")
    write_store(spoiled, PhotoRoot(root), form, tmp_path / "store", Workers(processes))
    store, whole = open_store(tmp_path / "store"), open_store(tmp_path / "all")
    kept = [row for row in range(NUM_PHOTOS) if row not in (5, 33)]
    assert (store.pixels == whole.pixels[kept]).all()
    assert store.index["photo_id"].tolist() == [f"p{row}" for row in kept]
    assert store.index["row"].tolist() == list(range(NUM_PHOTOS - 2))
    skipped = SKIPPED.read(tmp_path / "store" / SKIPPED_FILE)
    assert skipped["photo_id"].tolist() == ["p5", "p33"]
    assert skipped["reason"].str.startswith(("is damaged: ", "does not exist")).all()
    assert not skipped["reason"].str.contains(str(root)).any()
    assert not skipped["reason"].str.contains("torn").any()


def test_a_visit_that_loses_every_photo_stops_also_then(photos: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, root = photos
    spoiled = _spoil(root, table, dict.fromkeys((6, 7, 8), "gone.jpg"))
    with pytest.raises(PhotoError, match=r"1 visit\(s\) have no photo that can be read, first v2"):
        write_store(spoiled, PhotoRoot(root), StoreForm(24, damaged="skip"), tmp_path / "store")


def test_an_interrupted_store_goes_on_photo_by_photo_and_ends_with_the_same_bytes(
    photos: tuple[pd.DataFrame, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, root = photos
    write_store(table, PhotoRoot(root), StoreForm(24), tmp_path / "whole")
    decoded: list[str] = []
    real = workers.decode_photo

    def counted(path: Path, *how: Any) -> Any:
        if len(decoded) == 17:
            raise KeyboardInterrupt
        decoded.append(path.name)
        return real(path, *how)

    monkeypatch.setattr(workers, "decode_photo", counted)
    folder = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        write_store(table, PhotoRoot(root), StoreForm(24), folder)
    with (folder / JOURNAL_FILE).open("a") as journal:
        journal.write('[17, 123, {"width')  # cut off
    pixels = np.load(folder / PIXELS_FILE, mmap_mode="r+")
    pixels[3, 0, 0] ^= 255  # lost in a power failure
    pixels.flush()
    decoded.clear()
    decoded += ["already"] * 18
    write_store(table, PhotoRoot(root), StoreForm(24), folder)
    assert decoded[18:] == ["3.jpg", *[f"{n}.jpg" for n in range(17, NUM_PHOTOS)]]
    assert {path.name for path in folder.iterdir()} == {PIXELS_FILE, INDEX_FILE}
    for name in (PIXELS_FILE, INDEX_FILE):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_another_edge_left_is_not_taken(photos: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, root = photos
    with Journal(tmp_path) as journal:
        np.save(tmp_path / PIXELS_FILE, np.zeros((NUM_PHOTOS, 16, 16, 3), np.uint8))
        journal.note(0, np.zeros((16, 16, 3), np.uint8), {})
    write_store(table, PhotoRoot(root), StoreForm(24), tmp_path)
    assert open_store(tmp_path).pixels[0].any()
