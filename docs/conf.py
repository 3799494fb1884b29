"""How the documentation is built: ``make docs``."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pyramid_beakerish"
author = "The pyramid_beakerish maintainers"
release = version = version_of(project)

extensions = ["sphinx.ext.autodoc", "option_reference"]
exclude_patterns = ["_build"]
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

# What other packages document is not fetched from the network.
nitpick_ignore_regex = [(r"py:.*", r"(?!pyramid_beakerish).*")]

html_theme = "furo"
html_title = f"{project} {release}"
