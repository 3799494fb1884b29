"""Settings: strings and objects from an ini file or a program, as typed and frozen objects."""

from __future__ import annotations

from .backends import beaker_options as beaker_options
from .backends import beaker_region_options as beaker_region_options
from .effective import EffectiveOption as EffectiveOption
from .effective import effective_options as effective_options
from .options import RegionSettings as RegionSettings
from .options import SessionSettings as SessionSettings
from .options import StoreSettings as StoreSettings
from .read import Settings as Settings
from .read import examine_settings as examine_settings
from .read import read_clock as read_clock
from .read import read_region_settings as read_region_settings
from .read import read_session_settings as read_session_settings
from .read import read_settings as read_settings
from .read import session_settings as session_settings
from .read import store_settings as store_settings
from .reference import OptionRow as OptionRow
from .reference import option_table as option_table
from .requirements import missing_requirements as missing_requirements
