"""The demonstration that ``pserve example.ini`` serves: an example to copy from.

No view knows where sessions and cached values are kept; the settings alone say so.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.exceptions import BadCSRFToken
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import exception_view_config, notfound_view_config, view_config

from pyramid_beakerish import cache_region

from . import demo_devices
from .demo_page import Lesson, button, csrf_token, page

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

ROUTES = {
    "home": "/",
    "howdy": "/howdy",
    "login": "/login",
    "read": "/read",
    "logout": "/logout",
    "devices": "/devices",
    "notes": "/notes",
    "reports": "/cache",
    "session": "/session",
}
MONTH = timedelta(days=30)
NOTES_KEPT = 5


def main(global_config: Any, **settings: Any) -> Any:
    """Make the application; the ini file names this function, and includes this package."""
    config = Configurator(settings=settings)
    config.set_default_csrf_options(require_csrf=True)
    for name, path in ROUTES.items():
        config.add_route(name, path)
    config.scan(__name__)
    config.scan(demo_devices)
    return config.make_wsgi_app()


# Two pages that share a counter


@view_config(route_name="home", request_method="GET")
def home(request: Request) -> Response:
    """The tutorial's first page."""
    return counter_page(request, "Home View")


@view_config(route_name="howdy", request_method="GET")
def howdy(request: Request) -> Response:
    """The tutorial's second page: the same counter."""
    return counter_page(request, "Hello View")


def counter_page(request: Request, name: str) -> Response:
    count = request.session.modify("counter", lambda n: n + 1, 0)
    return page(request, f"Hi {name}", COUNTER.format(count=count), COUNTER_LESSON)


COUNTER_LESSON = Lesson(
    "This page and its sister count your visits in one session. Reload, change pages, restart the "
    "server: the counter goes on. No visit is lost, even of two at the same moment.",
    'request.session.modify("counter", lambda n: n + 1, 0)',
)
COUNTER = Markup("""<p class="count">Count: {count}</p>
<p>Go to <a href="/">home</a> or say <a href="/howdy">howdy</a>.</p>""")


# Login, a page for those who are logged in, logout


@view_config(route_name="login", request_method="GET")
def login_form(request: Request) -> Response:
    """Ask for a name, unless it is known."""
    if "user" in request.session:
        return HTTPSeeOther(request.route_path("read"))
    return page(request, "Login", LOGIN.format(token=csrf_token(request)), LOGIN_LESSON)


@view_config(route_name="login", request_method="POST")
def login(request: Request) -> Response:
    """Remember the name; the message is shown after the redirect."""
    user = _typed(request, "user", 40)
    if not user:
        request.session.flash("Please enter a name.")
        return HTTPSeeOther(request.route_path("login"))
    request.session.regenerate_id()
    request.session["user"] = user
    request.session.bind_user(user, **device_of(request))
    if "remember" in request.POST:
        request.session.set_lifetime(timeout=MONTH, cookie_expires=MONTH)
    request.session.flash(f"You are logged in, {user}.")
    return HTTPSeeOther(request.route_path("read"))


@view_config(route_name="read", request_method="GET")
def read(request: Request) -> Response:
    """Welcome a user who is logged in, and send anybody else to the login."""
    if "user" not in request.session:
        request.session.flash("Please log in first.", allow_duplicate=False)
        return HTTPSeeOther(request.route_path("login"))
    body = READ.format(logout=button(request, "logout", "Logout"))
    return page(request, f"Welcome {request.session['user']}", body, READ_LESSON)


@view_config(route_name="logout", request_method="POST")
def logout(request: Request) -> Response:
    """End the session; the message goes into the next one."""
    request.session.invalidate()
    request.session.flash("You have been logged out, and your session has ended.")
    return HTTPSeeOther(request.route_path("login"))


def device_of(request: Request) -> dict[str, str]:
    """Give what the user will recognise this browser by."""
    return {
        "device": (request.user_agent or "unknown")[:80],
        "place": request.client_addr or "unknown",
    }


LOGIN = Markup("""<form method="post">
<input type="hidden" name="csrf_token" value="{token}">
<label>User name
<input type="text" name="user" maxlength="40" required autocomplete="username"></label>
<label><input type="checkbox" name="remember"> Remember me for a month</label>
<button>Login</button>
</form>""")
LOGIN_LESSON = Lesson(
    "Any name will do. The name goes into the session, under a new session id, so that nobody "
    "can log in on a cookie that was planted before.",
    'request.session.regenerate_id()\nrequest.session["user"] = user\n'
    "request.session.bind_user(user, device=request.user_agent)",
)
READ = Markup("<p>Your name comes out of the session.</p>\n{logout}")
READ_LESSON = Lesson(
    "Logout ends the session where it is stored: a copy of the old cookie opens nothing. "
    "The counter begins anew.",
    "request.session.invalidate()",
)


# A form that only this application's own pages can send


@view_config(route_name="notes", request_method="GET")
def notes(request: Request) -> Response:
    """Show the form, and the notes in the session."""
    items = Markup("").join(map(NOTE.format, request.session.get("notes", [])))
    body = NOTES.format(token=csrf_token(request), notes=items)
    return page(request, "A protected form", body, NOTES_LESSON)


@view_config(route_name="notes", request_method="POST")
def add_note(request: Request) -> Response:
    """Keep the note; the session notices by itself that a list in it has changed."""
    note = _typed(request, "note", 200)
    if note:
        kept = request.session.setdefault("notes", [])
        kept.append(note)
        del kept[:-NOTES_KEPT]
    request.session.flash("Your note was added." if note else "Please enter a note.")
    return HTTPSeeOther(request.route_path("notes"))


def _typed(request: Request, name: str, longest: int) -> str:
    """Give what was typed into a field, or nothing if a file was sent instead."""
    value = request.POST.get(name)
    return value.strip()[:longest] if isinstance(value, str) else ""


@exception_view_config(BadCSRFToken)
def refused(error: BadCSRFToken, request: Request) -> Response:
    """Answer a form whose token is not the session's; its view was not called."""
    return page(request, "This form was refused", REFUSED, status=400)


NOTE = Markup("<li>{}</li>\n")
NOTES = Markup("""<form method="post">
<input type="hidden" name="csrf_token" value="{token}">
<label>Note <input type="text" name="note" maxlength="200" required></label>
<button>Add</button>
</form>
<ul>{notes}</ul>
<form method="post">
<input type="hidden" name="csrf_token" value="a wrong token">
<input type="hidden" name="note" value="You will not see this.">
<button class="quiet">Send with a wrong token</button>
</form>""")
NOTES_LESSON = Lesson(
    "The form carries a token of your session, which Pyramid checks before any view is called. "
    "The notes are a list in the session.",
    "config.set_default_csrf_options(require_csrf=True)\n"
    'request.session.setdefault("notes", []).append(note)',
)
REFUSED = Markup("""<p>Its token is not that of your session. That is so if another site sent
the form, or if it waited here while you logged in or out. Nothing was changed.</p>
<p><a href="/">To the first page</a></p>""")


# A slow function, cached in two regions


def slow_report(seconds: float) -> datetime:
    """Stand for a long query, or a call to another service."""
    time.sleep(seconds)
    return datetime.now(timezone.utc)


@cache_region("second")
def report_of_the_second(seconds: float) -> datetime:
    return slow_report(seconds)


@cache_region("short_term")
def report_of_the_minute(seconds: float) -> datetime:
    return slow_report(seconds)


REPORTS = {"second": report_of_the_second, "short_term": report_of_the_minute}


@view_config(route_name="reports", request_method="GET")
def reports(request: Request) -> Response:
    """Ask for the report in both regions."""
    rows = Markup("").join(report_row(request, region) for region in REPORTS)
    forget = button(request, "reports", "Invalidate both")
    body = CACHE.format(rows=rows, forget=forget, seconds=slow_seconds(request))
    return page(request, "A slow page, cached", body, CACHE_LESSON)


@view_config(route_name="reports", request_method="POST")
def forget_reports(request: Request) -> Response:
    """Forget the results of these calls, and no others."""
    for report in REPORTS.values():
        report.invalidate(slow_seconds(request))
    request.session.flash("Both reports were forgotten: they are made anew.")
    return HTTPSeeOther(request.route_path("reports"))


def report_row(request: Request, name: str) -> Markup:
    region = request.cache_regions[name]
    asked = datetime.now(timezone.utc)
    made = REPORTS[name](slow_seconds(request))
    age = datetime.now(timezone.utc) - made
    return REPORT.format(
        name=name,
        answer="miss" if made >= asked else "hit",
        age=age.total_seconds(),
        expire=region.settings.expire,
        stats=region.stats(),
    )


def slow_seconds(request: Request) -> float:
    return float(request.registry.settings["demo.slow_seconds"])


REPORT = Markup("""<tr><th scope="row">{name}</th><td>{expire:g} s</td><td>{answer}</td>
<td>{age:.1f} s</td><td>{stats.hits}</td><td>{stats.misses}</td></tr>
""")
CACHE = Markup("""<p>Each report takes {seconds:g} s to make.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Region</th><th scope="col">Kept for</th><th scope="col">Answer</th>
<th scope="col">Age</th><th scope="col">Hits</th><th scope="col">Misses</th></tr></thead>
<tbody>{rows}</tbody>
</table></div>
<p><a href="/cache">Ask again</a></p>
{forget}""")
CACHE_LESSON = Lesson(
    "A hit costs next to nothing. A miss calls the slow function: at first, when the region's time "
    "is over, and after the button.",
    '@cache_region("short_term")\ndef report(seconds): ...\n\nreport.invalidate(seconds)',
)


# What the session holds, and what is not there


@view_config(route_name="session", request_method="GET")
def show_session(request: Request) -> Response:
    """Show what may be shown of a session: no values, and never its id."""
    session = request.session
    body = SESSION.format(
        created=datetime.fromtimestamp(session.created, timezone.utc),
        age=timedelta(seconds=int(time.time()) - session.created),
        keys=", ".join(session) or "nothing yet",
        new="yes" if session.new else "no",
        end=button(request, "logout", "End this session"),
    )
    return page(request, "Your session", body, SESSION_LESSON)


SESSION = Markup("""<div class="scroll"><table>
<tr><th scope="row">Created</th><td>{created:%Y-%m-%d %H:%M:%S} UTC ({age} ago)</td></tr>
<tr><th scope="row">New</th><td>{new}</td></tr>
<tr><th scope="row">Keys</th><td>{keys}</td></tr>
</table></div>
{end}""")
SESSION_LESSON = Lesson(
    "A session is stored once there is something to store. Your browser has nothing of it but "
    "its id, in a cookie that scripts cannot read.",
    "request.session.created\nlist(request.session)",
)


@notfound_view_config()
def no_such_page(request: Request) -> Response:
    """Answer for an address that is none of the above."""
    return page(request, "There is no such page", Markup("<p>The pages are above.</p>"), status=404)
