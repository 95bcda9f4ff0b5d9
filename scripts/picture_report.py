"""Pictures of a finished study's report for the documentation: parts of the page in Debian's Chromium, with few colours.

python scripts/picture_report.py STUDY docs/images
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import ViewportSize, sync_playwright

WIDTH_PX, COLOURS = 1060, 96
# name, link that is followed first, element that is pictured, most pixels of its height
PARTS = (
    ("report-first-screen", "verdict", "#verdict", 900),
    ("report-effect", "effect", "#effect .pair", 420),
    ("report-compare", "compare", "#compare-runs", 560),
    ("report-shared", "shared", "#shared", 760),
    ("report-error", "error-0", "#error-0", 700),
    ("report-review", "audit", "[aria-label='Review list']", 420),
    ("report-rankings", "audit", "#audit .panels", 420),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        size = ViewportSize(width=WIDTH_PX, height=900)
        page = browser.new_context(viewport=size, color_scheme="light", reduced_motion="reduce").new_page()
        page.set_default_timeout(120_000)
        page.goto((asked.study / "report/report.html").resolve().as_uri())
        for name, link, element, most_px in PARTS:
            page.evaluate("link => { location.hash = link }", link)
            part = page.locator(element).first
            part.scroll_into_view_if_needed()
            page.wait_for_timeout(500)
            picture = Image.open(io.BytesIO(part.screenshot())).convert("RGB")
            picture = picture.crop((0, 0, picture.width, min(picture.height, most_px)))
            picture.quantize(COLOURS).save(asked.folder / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
