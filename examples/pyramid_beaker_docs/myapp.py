from pyramid.config import Configurator
from pyramid.response import Response

from pyramid_beakerish import (
    cache_region,
    session_factory_from_settings,
    set_cache_regions_from_settings,
)

calls = []


def get_root(request):
    return {}


@cache_region("long_term")
def report(name):
    calls.append(name)
    return f"{name} was made {len(calls)} times"


def visits(request):
    session = request.session
    session["visits"] = session.get("visits", 0) + 1
    return Response(f"Visit {session['visits']}; the report {report('r')}")


def fail(request):
    request.session["visits"] = 100
    raise LookupError


def app(global_config, **settings):
    """This function returns a WSGI application.

    It is usually called by the PasteDeploy framework during
    ``paster serve``.
    """
    session_factory = session_factory_from_settings(settings)
    set_cache_regions_from_settings(settings)
    config = Configurator(root_factory=get_root, settings=settings)
    config.set_session_factory(session_factory)
    config.add_view(visits)
    config.add_view(fail, name="fail")
    config.add_exception_view(lambda error, request: Response("sorry"), context=LookupError)
    return config.make_wsgi_app()
