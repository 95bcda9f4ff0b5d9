"""Whatever a path of photos.csv leads to: what is no regular file below the study is named, and never opened."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.check import photo_faults
from grasp_psonet.photos.files.decode import decode_photo
from grasp_psonet.photos.files.place import PhotoRoot
from grasp_psonet.photos.store import StoreForm, write_store
from tests.photos.scene import file_of, scene

EDGE = 32
MOST_S, MOST_WAITED_S = 20, 120


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """CPU seconds of every case, and an alarm for one that waits: a pipe that nobody fills would be waited for without end."""

    def waited(*_: object) -> None:
        raise TimeoutError(f"waited for {MOST_WAITED_S} seconds")

    before, started = signal.signal(signal.SIGALRM, waited), time.process_time()
    signal.alarm(MOST_WAITED_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert time.process_time() - started < MOST_S


def _outside(folder: Path) -> Path:
    place = folder.parent / f"{folder.name}-elsewhere"
    place.mkdir()
    (place / "p.jpg").write_bytes(file_of(scene(), "JPEG"))
    return place


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "p.jpg")


def _socket(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("p.jpg")
    os.chdir(here)


def _link_to_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "p.jpg").symlink_to("pipe")


def _linked_folder(folder: Path) -> str:
    (folder / "sub").symlink_to(_outside(folder))
    return "sub/p.jpg"


def _down_and_out(folder: Path) -> str:
    (folder / "sub").mkdir()
    return f"sub/../../{_outside(folder).name}/p.jpg"


def _named(name: str) -> Callable[[Path], str]:
    def put(folder: Path) -> str:
        (folder / name).write_bytes(file_of(scene(), "JPEG"))
        return name

    return put


def _absolute(folder: Path) -> str:
    return str(folder / _named("p.jpg")(folder))


def _one_tib(folder: Path) -> None:
    with (folder / "p.jpg").open("wb") as file:
        file.truncate(2**40)


def _below_a_file(folder: Path) -> str:
    return f"{_named('q.jpg')(folder)}/p.jpg"


_ODD = "characters that no file's name should"
# what is put there (p.jpg, unless it says another path), and what is said of it
PLACES: dict[str, tuple[Callable[[Path], str | None], str]] = {
    "pipe": (_pipe, "it is a pipe"),
    "folder": (lambda folder: (folder / "p.jpg").mkdir(), "it is a folder"),
    "socket": (_socket, "it is a socket"),
    "link to a device": (lambda folder: (folder / "p.jpg").symlink_to("/dev/zero"), "reached by a link that leads out"),
    "link to a pipe": (_link_to_pipe, "it is a pipe"),
    "link to nothing": (lambda folder: (folder / "p.jpg").symlink_to("nothing"), "does not exist"),
    "link to itself": (lambda folder: (folder / "p.jpg").symlink_to("p.jpg"), "cannot be"),
    "link out": (
        lambda folder: (folder / "p.jpg").symlink_to(_outside(folder) / "p.jpg"),
        "reached by a link that leads out",
    ),
    "folder by a link out": (_linked_folder, "reached by a link that leads out"),
    "up and out": (lambda folder: f"../{_outside(folder).name}/p.jpg", "leads out of"),
    "down, up and out": (_down_and_out, "leads out of"),
    "absolute": (lambda folder: str(_outside(folder) / "p.jpg"), "an absolute path"),
    "absolute, inside": (_absolute, "an absolute path"),
    "device": (lambda folder: "/dev/urandom", "an absolute path"),
    "NUL": (lambda folder: "p\0.jpg", _ODD),
    "line break": (_named("p\n.jpg"), _ODD),
    "right to left": (_named("p\u202egpj.exe"), _ODD),
    "a name too long": (lambda folder: "p" * 300 + ".jpg", "File name too long"),
    "a path too long": (lambda folder: "p/" * 3000 + ".jpg", "File name too long"),
    "empty": (lambda folder: (folder / "p.jpg").touch(), "it is empty"),
    "one TiB": (_one_tib, "more than the 512 MiB"),
    "below a file": (_below_a_file, "cannot be opened: Not a directory"),
    "a dot": (lambda folder: ".", "it is a folder"),
}


@pytest.mark.parametrize("what", PLACES)
def test_what_is_no_file_of_the_study_is_named_and_not_opened(what: str, tmp_path: Path) -> None:
    """By `grasp check` and by `grasp prepare`: a pipe that was opened would hold this test up for ever."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(file_of(scene(), "JPEG"))
    (folder / "text.jpg").write_text("no photo")
    put, words = PLACES[what]
    paths = ["good.jpg", put(folder) or "p.jpg", "text.jpg"]
    photos = pd.DataFrame({"photo_id": ["a", "b", "c"], "visit_id": ["v"] * 3, "view": pd.NA, "path": paths})
    told = photo_faults(photos, PhotoRoot(folder))
    assert list(told) == [1, 2]
    assert words in told[1]
    with pytest.raises(PhotoError) as stopped:
        write_store(photos, PhotoRoot(folder), StoreForm(16), tmp_path / "store")
    assert "2 of 3 photos cannot be read" in str(stopped.value)
    assert "photo b: " in str(stopped.value)
    assert words in str(stopped.value)
    assert "photo c: " in str(stopped.value)


def test_links_inside_and_links_that_may_lead_out_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    (folder / "real").mkdir(parents=True)
    (folder / "real/p.jpg").write_bytes(file_of(scene(), "JPEG"))
    (folder / "p.jpg").symlink_to("real/p.jpg")
    (folder / "sub").symlink_to("real")
    (tmp_path / "by-link").symlink_to(folder)
    for root in (folder, tmp_path / "by-link"):
        for path in ("p.jpg", "sub/p.jpg", "real/../p.jpg", "./p.jpg"):
            assert decode_photo(PhotoRoot(root).file(path), EDGE).width_px == 120
    (folder / "out.jpg").symlink_to(_outside(folder) / "p.jpg")
    assert decode_photo(PhotoRoot(folder, follows_links=True).file("out.jpg"), EDGE).width_px == 120
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(PhotoError, match="it is a pipe"):
        PhotoRoot(folder, follows_links=True).file("pipe.jpg")
    with pytest.raises(PhotoError, match="leads out of"):
        PhotoRoot(folder, follows_links=True).file("../study-elsewhere/p.jpg")


def test_the_folder_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/p.jpg").write_bytes(file_of(scene(), "JPEG"))
    monkeypatch.chdir(tmp_path)
    assert decode_photo(PhotoRoot(Path()).file("photos/p.jpg"), EDGE).width_px == 120
    with pytest.raises(PhotoError, match="leads out of the folder of photos"):
        PhotoRoot(Path()).file("photos/../../p.jpg")


def test_a_pipe_that_takes_the_place_of_a_photo_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening."""
    os.mkfifo(tmp_path / "p.jpg")
    monkeypatch.setattr("grasp_psonet.photos.files.place.refuse_irregular", lambda _: None)
    with pytest.raises(PhotoError, match="it is a pipe"):
        decode_photo(tmp_path / "p.jpg", EDGE)


@pytest.mark.parametrize(
    "name",
    [
        "Foto um 3\u202fPM.jpg",
        "a\xa0b.jpg",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.jpg",
        "日本 ü.jpg",
        "a'b, (2).jpg",
    ],
)
def test_names_in_any_script_are_fine(name: str, tmp_path: Path) -> None:
    """Narrow spaces of screenshots, joiners of Persian, letters written from right to left."""
    assert decode_photo(PhotoRoot(tmp_path).file(_named(name)(tmp_path)), EDGE).width_px == 120
