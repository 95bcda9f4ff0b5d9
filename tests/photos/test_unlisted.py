"""Photos that no row names: those in the folders of the photos that are named, and no others."""

from pathlib import Path

from grasp_psonet.photos.files.unlisted import unlisted_photos


def test_photos_that_no_row_names_are_found_in_the_folders_of_those_that_are(tmp_path: Path) -> None:
    names = ["a/1.jpg", "a/2.JPG", "a/3.heic", "a/notes.txt", "b/4.png", "c/5.png", "6.jpg", "7.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a/folder.jpg").mkdir()
    assert unlisted_photos(["a/1.jpg", "./b/../b/4.png"], tmp_path) == ["a/2.JPG", "a/3.heic"]
    assert unlisted_photos(["a/./1.jpg", "a//2.JPG", "a/3.heic", "6.jpg"], tmp_path) == ["7.jpg"]
    assert unlisted_photos(["", "none/1.jpg", "/etc/1.jpg", "../1.jpg", "a\0b/1.jpg"], tmp_path) == ["6.jpg", "7.jpg"]
