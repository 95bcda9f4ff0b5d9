"""A whole round in a real browser: Debian's Chromium, driven by Playwright, against the production server.

GRASP_SCREENSHOTS names a folder for pictures of every page: light, dark, and as on a tablet.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reading_app.app_study import draw_study
from tests.reading.played_study import make_study
from tests.reading.playground import ROUND

CHROMIUM = shutil.which("chromium")
AXE = "axe-core@4.14.1"
OWN = "a long password of one's own"
PEOPLE = {"rita": "reader", "rob": "reader", "ada": "adjudicator", "otto": "auditor"}
SETTINGS = "reading:\n  flagged: 6\n"
LOOKS = (("light", "light", (1440, 900)), ("dark", "dark", (1440, 900)), ("tablet", "light", (820, 1180)))
SEEN: set[str] = set()  # pages that were looked at
QUICK_HASHES = """  # the command itself; but half a second of work for each of fifty passwords is Django's to test
import sys
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from grasp_psonet.cli import main
PBKDF2PasswordHasher.iterations = 1000
sys.exit(main(sys.argv[1:]))
"""
NUM_ITEMS = 13  # 6 flagged visits, 6 controls, one of them twice

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.whole]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """The source of axe-core, from npm; None where npm cannot give it."""
    folder = tmp_path_factory.mktemp("axe")
    if shutil.which("npm") is None:
        return None
    packed = subprocess.run(["npm", "pack", AXE], cwd=folder, capture_output=True, timeout=120, check=False)
    files = list(folder.glob("axe-core-*.tgz"))
    if packed.returncode or not files:
        return None
    with tarfile.open(files[0]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8")


@pytest.fixture(scope="module")
def served(memory_folder: Path) -> Iterator[tuple[Path, str]]:
    """A study and the address of its app, started by the command that users start it by."""
    study = _study(memory_folder / "study")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-c", QUICK_HASHES, "read", str(study), "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/sign-in/", server)
        yield study, address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)


def _study(folder: Path) -> Path:
    """A study whose words and ids are traps; for pictures, one with drawn skin."""
    if "GRASP_SCREENSHOTS" not in os.environ:
        return make_study(folder, SETTINGS)
    return draw_study(folder, "--cohort.edge_px", "640", "--reading.flagged", "6")


def grasp(*words: str) -> str:
    """What a command prints; in a process of its own, for Django wants no event loop in its thread."""
    done = subprocess.run([sys.executable, "-m", "grasp_psonet", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _wait(address: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert server.poll() is None, server.communicate()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not come up")


class Person:
    """One person at a browser of their own."""

    def __init__(self, browser: Any, address: str, axe: str | None, **more: Any) -> None:
        size = {"width": 1440, "height": 900}
        self.context = browser.new_context(viewport=size, reduced_motion="reduce", **more)
        self.page, self.address, self.axe = self.context.new_page(), address, axe
        self.page.set_default_timeout(120_000)  # a busy machine loads its pages late
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda told: self.faults.append(told.text) if "Content Security" in told.text else None)

    def sign_in(self, name: str, password: str) -> None:
        self.page.goto(f"{self.address}/sign-in/")
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "sign-in" not in url)

    def choose_password(self, old: str) -> None:
        assert "Choose your own password" in self.page.inner_text("h1")
        for name, text in (("old", old), ("new", OWN), ("again", OWN)):
            self.page.fill(f"[name={name}]", text)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "password" not in url)

    def look(self, name: str) -> None:
        """Pictures of a page, where they are asked for, and what axe says of it; once for each page. In the dark only colours
        are other ones; on a tablet the page must be no wider than the screen."""
        if name in SEEN:
            return
        SEEN.add(name)
        if self.axe is not None:
            self.page.evaluate(self.axe)
        for kind, scheme, size in LOOKS:
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            if folder := os.environ.get("GRASP_SCREENSHOTS"):
                self.page.wait_for_timeout(250)
                self.page.screenshot(path=Path(folder) / f"{name}-{kind}.png", full_page=kind == "tablet")
            if kind == "tablet":
                assert self.page.evaluate("document.documentElement.scrollWidth") <= size[0], f"{name} is too wide"
            elif self.axe is not None:
                only = "{runOnly: ['color-contrast']}" if kind == "dark" else "{}"
                found = self.page.evaluate(f"axe.run({only}).then((told) => told.violations)")
                grave = [one for one in found if one["impact"] in ("serious", "critical")]
                assert not grave, [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in grave]
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": 1440, "height": 900})

    def read_visit(self, grade: str, *, looks_closer: bool) -> None:
        """A visit by keyboard alone: photos, sixteen answers, the signature."""
        page = self.page
        page.wait_for_selector("#answers")
        for key in ("n", "+", "+", "b", "w", "p") if looks_closer else ():
            page.keyboard.press(key)
        for number in range(16):
            page.keyboard.press("3" if number % 4 == 3 else grade)
        page.keyboard.press("s")
        page.wait_for_selector("[name=password]:focus")  # by itself, which may come after it is seen
        self.look("sign")
        page.focus("[name=password]")  # which a look may have taken away
        page.keyboard.insert_text(OWN)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "sign" not in url)


def test_a_round_of_twelve_visits_in_a_browser(browser: Any, served: tuple[Path, str], axe: str | None) -> None:
    study, address = served
    first = grasp("read", "add-user", str(study), "cora", "--role", "coordinator", "--full-name", "Cora Chief")
    cora = Person(browser, address, axe)
    cora.page.goto(f"{address}/")
    cora.look("sign-in")
    cora.sign_in("cora", first)
    cora.look("password")
    cora.choose_password(first)
    people = {"cora": cora} | _make_people(cora, browser, axe)
    grasp("read", "make-round", str(study), ROUND, "--readers", "rita,rob", "--adjudicators", "ada")
    cora.page.goto(f"{address}/rounds/")
    cora.look("rounds")
    cora.page.click(f"text={ROUND}")
    cora.page.fill("[name=password]", OWN)
    cora.page.click("button:has-text('Open')")
    cora.page.wait_for_selector(".state:has-text('open')")
    _read(people["rita"], lambda number: "1")
    _read(people["rob"], lambda number: "4" if number == 0 else "1")  # moderate is 9, severe 36
    _read(people["ada"], lambda number: "3", at_most=3)
    cora.page.reload()
    cora.look("round")
    cora.page.fill("[name=password]", OWN)
    cora.page.click("button:has-text('Lock')")
    cora.page.wait_for_selector(".state:has-text('locked')")
    otto = people["otto"]
    otto.page.goto(f"{address}/trail/")
    otto.look("trail")
    otto.page.click("text=Prove the trail")
    assert "none changed, none missing" in otto.page.inner_text("main")
    otto.look("proof")
    grasp("read", "export", str(study), ROUND)
    lines = (study / "readings" / ROUND / "readings.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 1 + 2 * NUM_ITEMS + 1
    assert sum("adjudicator" in line for line in lines) >= 1
    for person in people.values():
        assert person.faults == []


def _make_people(cora: Person, browser: Any, axe: str | None) -> dict[str, Person]:
    made = {}
    for name, role in PEOPLE.items():
        cora.page.goto(f"{cora.address}/people/")
        form = cora.page.locator("form", has=cora.page.locator("[name=full_name]"))
        form.locator("[name=username]").fill(name)
        form.locator("[name=full_name]").fill(f"{name.title()} Full")
        form.locator("[name=role]").select_option(role)
        form.locator("button").click()
        password = cora.page.inner_text(".good code")
        made[name] = Person(browser, cora.address, axe)
        made[name].sign_in(name, password)
        made[name].choose_password(password)
    cora.look("people")
    return made


def _read(person: Person, grade_of: Any, at_most: int = NUM_ITEMS) -> None:
    """Reads the whole queue, and looks at its pages at the first visit."""
    page = person.page
    page.goto(f"{person.address}/queue/")
    person.look("queue")
    page.click("main a.button")
    for number in range(at_most):
        if number == 0:
            page.wait_for_selector("#large[src]")
            page.keyboard.press("3")
            page.wait_for_selector("#saved:text-is('saved')")
            for _ in range(100):
                if page.evaluate("document.getElementById('large').naturalWidth") > 0:
                    break
                page.wait_for_timeout(50)
            person.look("visit")
            page.keyboard.press("?")
            person.look("keys")
            page.keyboard.press("Escape")
            page.reload()
            assert page.is_checked("[name='v.head_erythema'][value='3']"), (
                "what was given stands after the page was left"
            )
            page.wait_for_selector("#large[src]")
        person.read_visit(grade_of(number), looks_closer=number == 0)
        if page.url.endswith("/queue/"):
            break
    assert "All done" in page.inner_text("main")
    person.look("done")
