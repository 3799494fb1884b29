"""For PasteDeploy: ``egg:pyramid_beakerish#beaker_session``, ``#session``, ``#file_session``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .middleware import SessionMiddleware
from .state import file_session_wrapper, session_wrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from .middleware import App


def beaker_session_filter_app(app: App, global_conf: dict[str, str], **local: Any) -> Any:
    """Make `SessionMiddleware` from an ini file, like Beaker's filter of that name."""
    return SessionMiddleware(app, global_conf, **local)


def beaker_session_filter(global_conf: dict[str, str], **local: Any) -> Callable[[App], Any]:
    """Make a function that wraps an application in `SessionMiddleware`, from an ini file."""
    return lambda app: beaker_session_filter_app(app, global_conf, **local)


def session_filter(global_conf: dict[str, str], **local: Any) -> Callable[[App], Any]:
    """Make a function that wraps an application by `session_wrapper`, from an ini file."""
    return lambda app: session_wrapper(app, **local)


def file_session_filter(global_conf: dict[str, str], **local: Any) -> Callable[[App], Any]:
    """Make a function that wraps an application by `file_session_wrapper`, from an ini file."""
    return lambda app: file_session_wrapper(app, **local)
