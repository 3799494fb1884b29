"""Twisted's counter of visits, which goes on after a restart: ``python counter.py``."""

import sys

from twisted.internet import reactor
from twisted.web.resource import Resource
from zope.interface import Attribute, Interface, implementer

from pyramid_beakerish import register_component
from pyramid_beakerish.twisted import SessionSite, get_session


class ICounter(Interface):
    value = Attribute("An int value which counts up once per page view.")


@implementer(ICounter)
class Counter:
    def __init__(self, session):
        self.value = 0


register_component(Counter, ICounter)


class CounterResource(Resource):
    isLeaf = True

    def render_GET(self, request):
        session = get_session(request)
        counter = ICounter(session)
        counter.value += 1
        return b"Visit #%d for you!" % (counter.value,)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 6543
    site = SessionSite(
        CounterResource(),
        type="file",
        data_dir="data",
        secret="put in a secret of your own, 32 characters or more",
    )
    reactor.listenTCP(port, site, interface="127.0.0.1")
    reactor.run()
