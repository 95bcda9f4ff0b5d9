"""The documentation as a site: `make docs`. Every page and script is on disk; nothing is fetched when it is built or read."""

import importlib.metadata
import re
import shutil
from pathlib import Path

from pygments.lexers.special import TextLexer

import grasp_psonet

project = "GRASP-PsONet"
project_copyright = "the authors of GRASP-PsONet; Apache-2.0"
version = release = grasp_psonet.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc"]
root_doc = "index"
exclude_patterns = ["_build"]

myst_enable_extensions = ["deflist", "attrs_block"]
myst_heading_anchors = 6
# the study notebook reads the folder that GRASP_STUDY names; a cell that fails stops the build
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"GRASP-PsONet {release}"
html_theme_options = {"top_of_page_buttons": []}
html_static_path = ["site"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # summaries are fetched, which a page opened from disk may not do

# whose scripts and styles are part of the site, with the licences that go along
SHIPPED = ("furo", "sphinx", "sphinx-basic-ng", "pygments", "myst-nb", "snowballstemmer")


def _link_pages(_app, _what, _name, _obj, _options, lines):
    """``docs/PAGE.md`` in a docstring becomes a link to that page."""
    lines[:] = [re.sub(r"\bdocs/([a-z-]+)\.md", r":doc:`\1`", line) for line in lines]


def _keep_licences(app, failed):
    """The licence files of what the site is made of, beside it."""
    if failed is not None:
        return
    for name in SHIPPED:
        kept = 0
        for file in importlib.metadata.files(name) or []:
            if re.match(r"(LICEN[CS]E|COPYING|NOTICE)", file.name, re.IGNORECASE) and ".dist-info" in str(file):
                place = Path(app.outdir) / "licences" / f"{name}-{file.name}"
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(file.locate(), place)
                kept += 1
        if not kept:
            raise RuntimeError(f"{name} brings no licence file: it cannot be passed on with the site")


def setup(app):
    app.add_lexer("csv", TextLexer)
    app.connect("autodoc-process-docstring", _link_pages)
    app.connect("build-finished", _keep_licences)
