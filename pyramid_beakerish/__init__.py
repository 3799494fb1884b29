"""Sessions and cache regions for Pyramid, from the ini file: a replacement for pyramid_beaker."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .cache.decorator import cache_region as cache_region
from .cache.decorator import region_invalidate as region_invalidate
from .errors import BeakerishError as BeakerishError
from .errors import CacheKeyError as CacheKeyError
from .errors import CacheUsageError as CacheUsageError
from .errors import ComponentConflict as ComponentConflict
from .errors import CorruptData as CorruptData
from .errors import LockTimeout as LockTimeout
from .errors import RegionNotConfigured as RegionNotConfigured
from .errors import SerializationError as SerializationError
from .errors import SessionStateError as SessionStateError
from .errors import SessionTooLarge as SessionTooLarge
from .errors import SettingsError as SettingsError
from .errors import StoreError as StoreError
from .errors import StoreUnavailable as StoreUnavailable
from .sessions.components import register_component as register_component
from .sessions.events import SessionAdopted as SessionAdopted
from .sessions.events import SessionChangesDropped as SessionChangesDropped
from .sessions.events import SessionCreated as SessionCreated
from .sessions.events import SessionEnded as SessionEnded
from .sessions.events import SessionMerged as SessionMerged
from .sessions.events import SessionRefused as SessionRefused
from .sessions.events import SessionRotated as SessionRotated

#: The names that need Pyramid, each with its module, which is imported at first use: the command
#: can run without Pyramid, and can switch off a warning before Pyramid is imported.
_OF_PYRAMID = {
    "BeakerSessionFactoryConfig": "configure",
    "includeme": "configure",
    "session_factory_from_settings": "configure",
    "set_cache_regions_from_settings": "configure",
    "SessionUnavailable": "pyramid_session",
}

if TYPE_CHECKING:
    from .configure import BeakerSessionFactoryConfig as BeakerSessionFactoryConfig
    from .configure import includeme as includeme
    from .configure import session_factory_from_settings as session_factory_from_settings
    from .configure import set_cache_regions_from_settings as set_cache_regions_from_settings
    from .pyramid_session import SessionUnavailable as SessionUnavailable
else:  # with this a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _OF_PYRAMID:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f".{_OF_PYRAMID[name]}", __name__), name)
        globals()[name] = found
        return found
