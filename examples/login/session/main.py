"""Login, a page that welcomes, logout: ``python main.py``, then http://localhost:6543."""

import sys
from wsgiref.simple_server import make_server

from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.view import view_config

SETTINGS = {
    "session.type": "file",
    "session.data_dir": "data",
    "session.secret": "abcQWE123!@#, of at least 32 characters",
    "session.rotate_on": "user",  # who logs in has a new id from then on
}


@view_config(route_name="login")
def login(request):
    html = """
    <html>
    <body>
    <form action='/add'> Enter User name :
    <input type='text' name='user'>
    <input type='submit' value='submit'>
    </form>
    </body>
    </html>
    """
    return Response(html)


@view_config(route_name="addsession")
def add(request):
    request.session["user"] = request.params["user"]
    return Response("<h2>Session object added.</h2><br><h3><a href='/read'>click here</a></h3>")


@view_config(route_name="readsession")
def read(request):
    user = request.session["user"]
    response = Markup("<h2>Welcome {} </h2>").format(user)
    response += Markup("<br><h3><a href='/logout'>Logout</a></h3>")
    return Response(response)


@view_config(route_name="logout")
def logout(request):
    request.session.pop("user")
    response = "<h2>You have been logged out </h2><br><h3><a href='/'>Login</a></h3>"
    return Response(response)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 6543
    with Configurator(settings=SETTINGS) as config:
        config.include("pyramid_beakerish")
        config.add_route("login", "/")
        config.add_route("logout", "/logout")
        config.add_route("addsession", "/add")
        config.add_route("readsession", "/read")
        config.scan("__main__")
        app = config.make_wsgi_app()
    server = make_server("127.0.0.1", port, app)
    server.serve_forever()
