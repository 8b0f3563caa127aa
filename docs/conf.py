"""How Sphinx makes the site out of these pages: `scripts/docs` calls it."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from impasto import __version__
from mathematics import set_up_mathematics
from style_pages import write_style_pages

project = "Impasto"
author = "The Impasto authors"
copyright = author  # noqa: A001  (Sphinx wants this name)
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
default_role = "code"  # what docstrings put between single backticks

autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "exclude-members": "model_config",
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"Impasto {__version__}"
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["impasto.css"]
html_theme_options = {"navigation_with_keys": True}


CONSTRAINED = re.compile(r"^(:vartype .*: )Annotated\[(\w+),.*\]$")


def shorten_types(*arguments):
    """Show `Annotated[str, …]` as `str`: a pattern in it would be read as a link."""
    lines = arguments[-1]
    lines[:] = [CONSTRAINED.sub(r"\1\2", line) for line in lines]


def setup(app):
    """Write the pages of the shipped styles before Sphinx looks for pages."""
    set_up_mathematics(app)
    app.connect("autodoc-process-docstring", shorten_types, priority=900)
    app.connect("builder-inited", lambda app: write_style_pages(Path(app.srcdir)))
