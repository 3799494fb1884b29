"""The application that a web server serves under load; the environment says with which sessions.

BENCHMARK_SESSIONS=pyramid_beaker BENCHMARK_REDIS=redis://localhost waitress-serve \
    --call benchmarks.served:app
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator

from .site import SECRET, TIMEOUT, answer, read, settings_of, untouched, write

if TYPE_CHECKING:
    from collections.abc import Callable

OURS, BEAKER, THEIR_REDIS, BARE = (
    "pyramid_beakerish",
    "pyramid_beaker",
    "pyramid_session_redis",
    "without sessions",
)
SESSIONS, REDIS = "BENCHMARK_SESSIONS", "BENCHMARK_REDIS"


def app() -> Callable[..., Any]:
    """Make the application with pages that read and write; they do neither without sessions."""
    sessions, url = os.environ[SESSIONS], os.environ[REDIS]
    config = Configurator(settings=settings_of(type="ext:redis", url=url))
    set_up(config, sessions, url)
    for page in (read, write):
        config.add_route(page.__name__, f"/{page.__name__}")
        view = answer(untouched if sessions == BARE else page)
        config.add_view(view, route_name=page.__name__)
    return config.make_wsgi_app()


def set_up(config: Any, sessions: str, url: str) -> None:
    """Give the application its sessions; nothing else is imported."""
    if sessions == THEIR_REDIS:
        from pyramid_session_redis import RedisSessionFactory

        factory = RedisSessionFactory(SECRET, timeout=TIMEOUT, redis_url=url)
        config.set_session_factory(factory)
    elif sessions != BARE:
        config.include(sessions)
