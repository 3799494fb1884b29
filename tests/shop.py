"""A small application as they are written for pyramid_beaker, which it may have or not."""

from __future__ import annotations

from beaker.cache import CacheManager, cache_region
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.config import Configurator
from pyramid.csrf import get_csrf_token
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.security import remember

INI = """
pyramid.includes = {package}
beaker.session.type = file
beaker.session.data_dir = {folder}/sessions/data
beaker.session.lock_dir = {folder}/sessions/lock
beaker.session.key = shop
beaker.session.secret = the shop's own secret, long enough not to be guessed
beaker.session.cookie_expires = false
beaker.session.timeout = 36000
beaker.session.auto = true
session.cookie_on_exception = true
cache.regions = short_term, long_term
beaker.cache.type = memory
cache.short_term.expire = 60
cache.long_term.expire = 3600
"""

PRICES = {"tea": 3, "pot": 20}
asked = []


class Security:
    """Who is logged in is in the session."""

    def __init__(self):
        self._helper = SessionAuthenticationHelper()

    def identity(self, request):
        return self.authenticated_userid(request)

    def authenticated_userid(self, request):
        return self._helper.authenticated_userid(request)

    def permits(self, request, context, permission):
        return True

    def remember(self, request, userid, **kw):
        return self._helper.remember(request, userid, **kw)

    def forget(self, request, **kw):
        return self._helper.forget(request, **kw)


def price(name):
    """Ask for a price, if it is not known."""

    @cache_region("short_term", "price")
    def asked_for(name):
        asked.append(name)
        return PRICES[name]

    return asked_for(name)


def stock(name):
    """Count what is there, through a cache manager of the application's own."""
    manager = CacheManager(type="memory")

    @manager.cache("stock", expire=60)
    def counted(name):
        return len(name)

    return counted(name)


def page(request):
    """Show all that is known of the visitor."""
    session = request.session
    return {
        "user": request.authenticated_userid,
        "cart": session.get("cart", {}),
        "messages": session.pop_flash(),
        "token": get_csrf_token(request),
        "prices": [price(name) for name in PRICES],
        "stock": stock("tea"),
    }


def login(request):
    """Log a visitor in."""
    headers = remember(request, request.POST["user"])
    return HTTPSeeOther("/", headers=headers)


def logout(request):
    """Log a visitor out."""
    request.session.invalidate()
    return HTTPSeeOther("/")


def add(request):
    """Put something into the cart, which is a dictionary with lists in it."""
    cart = request.session.setdefault("cart", {"lines": [], "note": ("no", 1)})
    cart["lines"].append({"name": request.POST["name"], "price": price(request.POST["name"])})
    request.session.changed()
    request.session.flash(f"{request.POST['name']} is in the cart")
    return HTTPSeeOther("/")


def main(**settings):
    """Give the application."""
    config = Configurator(settings=settings)
    config.set_security_policy(Security())
    config.set_default_csrf_options(require_csrf=True)
    config.add_view(page, renderer="json", require_csrf=False)
    for view in (login, logout, add):
        config.add_route(view.__name__, f"/{view.__name__}")
        config.add_view(view, route_name=view.__name__)
    return config.make_wsgi_app()
