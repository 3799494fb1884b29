"""The command ``beakerish``, for those who run an application."""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NEEDS_RICH = (
    "The command beakerish needs the library rich: pip install 'pyramid_beakerish[command]'\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code.

    It is 0 if all is well, 1 if the command found something wrong or could not do its work, 2 if
    the command, or its ini file, makes no sense.
    """
    if find_spec("rich") is None:
        sys.stderr.write(NEEDS_RICH)
        return 2
    # Pyramid imports pkg_resources, which nobody who runs the command can change.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
    from .program import run

    return run(arguments)
