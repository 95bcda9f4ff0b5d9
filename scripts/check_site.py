"""The built documentation: nothing is fetched from elsewhere, notebooks show what they gave, the search works from disk.

Run: python scripts/check_site.py build/site
"""

import argparse
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

# what a browser fetches by itself; a link that a reader follows is none of it
FETCHED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
}
NOT_FETCHED = {"index", "search", "next", "prev", "canonical", "author", "copyright"}
NOTEBOOKS = ("trace_your_network", "explore_a_study")
ASKED = ("attention", "keep list", "unrolled")
SHIPPED = ("furo", "sphinx")


class Fetches(HTMLParser):
    """What a page fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        address = told.get(FETCHED.get(tag, ""))
        if address and not (tag == "link" and set((told.get("rel") or "").split()) & NOT_FETCHED):
            self.found.append(address)


def faults_of_files(site: Path) -> list[str]:
    """Pages and styles that fetch from elsewhere or what is not there."""
    faults = []
    for page in sorted(site.rglob("*.html")):
        parser = Fetches()
        parser.feed(page.read_text(encoding="utf-8"))
        for address in parser.found:
            if re.match(r"([a-z]+:)?//", address):
                faults.append(f"{page.relative_to(site)} fetches {address}")
            elif not address.startswith("data:"):
                target = page.parent / re.split(r"[?#]", address)[0]
                if not target.exists():
                    faults.append(f"{page.relative_to(site)} names {address}, which is not there")
    for style in sorted(site.rglob("*.css")):
        for address in re.findall(r"(?:@import\s+|url\()[\"']?((?:[a-z]+:)?//[^\"')\s]+)", style.read_text("utf-8")):
            faults.append(f"{style.relative_to(site)} fetches {address}")
    return faults


def faults_of_contents(site: Path) -> list[str]:
    """Notebooks without outputs, licences that are not kept."""
    faults = [
        f"notebooks/{name}.html shows no output"
        for name in NOTEBOOKS
        if "cell_output" not in (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
    ]
    kept = [path.name for path in (site / "licences").glob("*")]
    return faults + [
        f"no licence of {name} is kept" for name in SHIPPED if not any(one.startswith(name) for one in kept)
    ]


def faults_of_search(site: Path, chromium: str) -> list[str]:
    """Words that the search does not find when the site is opened from disk, and what the browser complains of."""
    from playwright.sync_api import sync_playwright

    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda told: faults.append(f"console: {told.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else faults.append(sent.url))
        for words in ASKED:
            page.goto(f"{(site / 'search.html').resolve().as_uri()}?q={words.replace(' ', '+')}")
            try:
                page.wait_for_selector("#search-results ul.search li a", timeout=10_000)
            except Exception as error:
                faults.append(f"the search finds no page on {words!r}: {type(error).__name__}")
        browser.close()
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", type=Path)
    site = parser.parse_args().site
    faults = faults_of_files(site) + faults_of_contents(site)
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium here: the search was not tried")
    else:
        faults += faults_of_search(site, chromium)
    print("\n".join(faults) or f"{len(list(site.rglob('*.html')))} pages, {len(ASKED)} searches from disk: no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
