"""Pictures of a finished study's report for the documentation: docs/images/site-*.jpg, small JPEGs.

Run: python scripts/draw_report_pictures.py demo-study
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
# part of the page -> picture, and how much of it is shown at most (CSS pixels)
SHOTS = {"traced": ("site-error.jpg", 900), "shared": ("site-shared.jpg", 800), "audit": ("site-audit.jpg", 800)}
WIDTH = 1200


def draw(report: Path, chromium: str) -> list[Path]:
    """One picture per entry of SHOTS; the files made."""
    made = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=1.0)
        page.goto(report.resolve().as_uri())
        for name, (file, most_px) in SHOTS.items():
            section = page.locator(f"#{name}")
            section.scroll_into_view_if_needed()
            if name == "traced":  # the first error, opened
                section.locator("details > summary").first.click()
            page.wait_for_timeout(400)  # lazy thumbnails
            picture = Image.open(io.BytesIO(section.screenshot())).convert("RGB")
            picture = picture.crop((0, 0, picture.width, min(picture.height, most_px)))
            picture.save(IMAGES / file, quality=80, optimize=True, progressive=True)
            made.append(IMAGES / file)
        browser.close()
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", type=Path, help="a study with a report")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    known = parser.parse_args()
    for path in draw(known.study / "report" / "report.html", known.chromium):
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
