"""What tests leave behind."""

from __future__ import annotations

import gc
import warnings


def collect():
    """Collect garbage; a socket that another test has left open in it is not this one's failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
