"""The application under torture: one page for each thing that a client does to its session.

    python -m tests.torture.site PORT SETTINGS

serves it with waitress; SETTINGS are JSON.
"""

from __future__ import annotations

import json
import sys

from pyramid.config import Configurator
from waitress import create_server


def login(request):
    """Say whose session it is, under a new id."""
    session = request.session
    session.regenerate_id()
    session["owner"] = request.params["owner"]
    if "lifetime" in request.params:
        session.set_lifetime(lifetime=float(request.params["lifetime"]))


def add(request):
    """Count one more."""
    request.session.modify("n", lambda n: n + 1, 0)


def put(request):
    """Set a key, which one client's tab alone sets."""
    request.session[request.params["key"]] = int(request.params["value"])


def logout(request):
    """End the session."""
    request.session.invalidate()


def read(request):
    """Do nothing."""


PAGES = {page.__name__: page for page in (login, add, put, logout, read)}


def page(request):
    """Do what the page is for, and tell what the session holds then."""
    before = dict(request.session)
    PAGES[request.matchdict["page"]](request)
    return {"before": before, "after": dict(request.session)}


def make_app(settings):
    """Make the application."""
    config = Configurator(settings=settings)
    config.include("pyramid_beakerish")
    config.add_route("page", "/{page}")
    config.add_view(page, route_name="page", renderer="json")
    return config.make_wsgi_app()


def main(port, settings):
    """Serve until killed."""
    create_server(make_app(json.loads(settings)), host="127.0.0.1", port=int(port), threads=4).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
