"""Pyramid's own sessions in signed cookies, from the ini file: ``session.type = signed_cookie``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import ISessionFactory
from pyramid.session import SignedCookieSessionFactory
from zope.interface import implementer

from .errors import SettingsError
from .sessions.cookie import FOREVER
from .settings import missing_requirements

if TYPE_CHECKING:
    from .settings import SessionSettings

#: Options that go to Pyramid as they are.
SAME = ("hashalg", "salt", "set_on_exception")
#: Our names of options, each with Pyramid's name for it.
RENAMED = {"key": "cookie_name", "cookie_path": "path", "cookie_domain": "domain"}


@implementer(ISessionFactory)
class SignedCookieFactory:
    """Makes the session of each request by Pyramid's SignedCookieSessionFactory.

    An option that is not given has Pyramid's default, except ``httponly`` and ``secure``, which
    have the safe defaults of this package. Raises `SettingsError` without a secret.

    Example::

        settings, _ = session_settings(type="signed_cookie", secret="x" * 32)
        config.set_session_factory(SignedCookieFactory(settings))
    """

    def __init__(self, settings: SessionSettings) -> None:
        problems = missing_requirements(settings)
        if problems:
            raise SettingsError(problems)
        options = pyramid_options(settings)
        self._by_https = {
            https: SignedCookieSessionFactory(**options, secure=_secure(settings, https))
            for https in (False, True)
        }

    def open(self) -> None:
        """Nothing to open: all is in the cookie."""

    def __call__(self, request: Any) -> Any:
        return self._by_https[request.environ.get("wsgi.url_scheme") == "https"](request)

    def __repr__(self) -> str:
        return f"<pyramid_beakerish {type(self).__name__}>"


def pyramid_options(settings: SessionSettings) -> dict[str, Any]:
    """Give the arguments for SignedCookieSessionFactory from the settings, without ``secure``."""
    given = settings.given
    options = {name: given[name] for name in SAME if name in given}
    options |= {theirs: given[ours] for ours, theirs in RENAMED.items() if ours in given}
    options |= {
        name: None if given[name] is None else math.ceil(given[name])
        for name in ("timeout", "reissue_time")
        if name in given
    }
    if given.get("serializer", "json") != "json":  # which is Pyramid's own default
        options["serializer"] = given["serializer"]
    options.setdefault("set_on_exception", settings.cookie_on_exception)
    return {
        "secret": settings.secret[0],
        "httponly": settings.httponly,
        "samesite": settings.samesite,
        "max_age": _max_age(settings.cookie_expires),
        **options,
    }


def _max_age(expires: Any) -> int | None:
    if expires is True:
        return None
    return FOREVER if expires is False else math.ceil(expires)


def _secure(settings: SessionSettings, https: bool) -> bool:
    return https if settings.secure == "auto" else bool(settings.secure)
