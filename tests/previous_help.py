"""An application with this package, after another configuration."""

from __future__ import annotations

from pyramid.config import Configurator

from pyramid_beakerish import SessionAdopted, SessionRefused
from tests.beaker_records import SECRET
from tests.rivals import KEY, Visitor, _work


class Here:
    """The application with these settings; its ``events`` are those of sessions."""

    def __init__(self, settings):
        self.events = []
        config = Configurator(settings=settings)
        config.include("pyramid_beakerish")
        config.add_view(_work)
        for kind in (SessionAdopted, SessionRefused):
            config.add_subscriber(self.events.append, kind)
        self.app = config.make_wsgi_app()
        self.registry = config.registry

    def do(self, work, cookies=None):
        """Have a view call the function with the session of the cookies, and give what it gives."""
        return Visitor(self, cookies).do(work)

    def begin(self, work):
        """Have a new visitor's session do the work, and give the Cookie header for it."""
        visitor = Visitor(self)
        visitor.do(work)
        return f"{KEY}={visitor.cookie}"

    def moved(self, cookies, key=KEY):
        """Give the Cookie header that the application sends for a session of other cookies."""
        visitor = Visitor(self, cookies)
        visitor.do(len)
        return f"{key}={visitor._app.cookies[key]}"

    @property
    def adopted(self):
        """The events of adoption."""
        return [event for event in self.events if isinstance(event, SessionAdopted)]

    @property
    def refused(self):
        """The reasons of the refusals."""
        return [event.reason.value for event in self.events if isinstance(event, SessionRefused)]


def here(previous, **options):
    """Give an application that keeps its sessions in memory, after these settings."""
    own = {f"session.{name}": value for name, value in options.items()}
    return Here({"session.type": "memory", "session.secret": SECRET[::-1], **own, **previous})
