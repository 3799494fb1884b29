"""Settings: strings and objects from an ini file or a program, as typed and frozen objects."""

from __future__ import annotations

from .options import RegionSettings as RegionSettings
from .options import SessionSettings as SessionSettings
from .options import StoreSettings as StoreSettings
