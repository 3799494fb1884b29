"""An application without Pyramid whose session is saved block by block: ``python app.py``."""

import sys
from wsgiref.simple_server import make_server

import transaction

from pyramid_beakerish.wsgi import WSGISession, file_session_wrapper

SK = "session.key"


def app(environ, start_response):
    """Keep the visited paths; ``/fail`` raises, and ``/undo`` changes its mind."""
    path = environ["PATH_INFO"]
    try:
        with WSGISession(environ, SK) as session:
            session.setdefault("path", []).append(path)
            if path == "/fail":
                raise ValueError(path)
    except ValueError:
        start_response("400 Bad Request", [("Content-type", "text/plain")])
        return [b"failed"]
    with transaction.manager as tm, WSGISession(environ, SK, tm) as session:
        before = tm.savepoint()
        session["path"].append("(seen)")
        if path == "/undo":
            before.rollback()
    start_response("200 OK", [("Content-type", "text/plain")])
    return [", ".join(session["path"]).encode()]


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 6543
    secret = "put in a secret of your own, 32 characters or more"
    server = make_server(
        "127.0.0.1", port, file_session_wrapper(app, "data", session_key=SK, secret=secret)
    )
    server.serve_forever()
