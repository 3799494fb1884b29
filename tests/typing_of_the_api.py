"""The API as a typed application uses it. Nothing runs this: mypy checks it, in ``make lint``.

A line with ``type: ignore`` is a mistake that has to be noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import assert_type

from pyramid_beakerish import cache_region, region_invalidate
from pyramid_beakerish.sessions.users import UserSession, UserSessions
from pyramid_beakerish.wsgi import SessionMiddleware, WSGISession, current_session, session_wrapper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from pyramid_beakerish.cache.regions import CacheRegions
    from pyramid_beakerish.sessions.session import Session

# request.session


def devices(session: Session) -> UserSessions:
    sessions = session.sessions_of("bob")
    assert_type(sessions[0], UserSession)
    assert_type(sessions[1:], list[UserSession])
    return sessions


# Caching


@cache_region("short_term", ignore=("request",))
def search(request: object, term: str, *more: str, limit: int = 10) -> list[str]:
    return [term, *more][:limit]


class Shop:
    @cache_region("short_term", ignore=("self",))
    def vat(self, country: str) -> float:
        return 0.19

    @classmethod
    @cache_region("short_term", ignore=("cls",))
    def named(cls, name: str) -> Shop | None:
        return None

    @staticmethod
    @cache_region("short_term")
    def price(net: float, vat: float) -> float:
        return net * (1 + vat)

    def gross(self, net: float, country: str) -> float:
        return self.price(net, self.vat(country))


def cached(request: object, shop: Shop) -> None:
    assert_type(search(request, "tea", limit=2), list[str])
    search(request, 7)  # type: ignore[arg-type]
    search(request, "tea", limit="2")  # type: ignore[arg-type]
    assert_type(search.peek(request, "tea"), list[str] | None)
    assert_type(search.refresh(request, "tea"), list[str])
    assert_type(search.__name__ + search.__qualname__, str)
    assert_type(shop.vat("de"), float)
    assert_type(Shop.vat.refresh(shop, "de"), float)
    shop.vat.invalidate("de")
    assert_type(Shop.named("a"), Shop | None)
    region_invalidate(search, "short_term", request, "tea")


def by_hand(regions: CacheRegions) -> None:
    region = regions["short_term"]
    assert_type(region.get_or_create("answer", lambda: 42), int)
    assert_type(region.stats().misses, int)


# Without Pyramid


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    with WSGISession(environ, "session.key") as session:
        session["visits"] = session.get("visits", 0) + 1
        session.bind_usr("bob")  # type: ignore[attr-defined]
    start_response("200 OK", [("Content-Type", "text/plain")])
    here = current_session()
    return [] if here is None else [here.id.encode()]


def wrapped(settings: dict[str, Any]) -> list[WSGIApplication]:
    return [
        SessionMiddleware(hello, settings),
        session_wrapper(hello, session_key="session.key", timeout=300),
    ]
