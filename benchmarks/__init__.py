"""What sessions and cache regions cost beside their peers, measured in one run: ``make bench``."""

import sys

# Beaker signs its cookies with pycryptodome where that is installed, as it is for the tests, and
# then takes twice the time. It is measured at its best: this comes before any import of Beaker.
sys.modules["Crypto"] = None
