"""The demonstration's page of a user's sessions, on this device and others."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from markupsafe import Markup
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from .demo_page import Lesson, csrf_token, page

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from .sessions.users import UserSession


@view_config(route_name="devices", request_method="GET")
def devices(request: Request) -> Response:
    """Show where the user is logged in, to those who are logged in."""
    if request.session.handle is None:
        request.session.flash("Please log in first.", allow_duplicate=False)
        return HTTPSeeOther(request.route_path("login"))
    sessions = request.session.sessions_of()
    rows = Markup("").join(device_row(request, session) for session in sessions)
    return page(
        request, "Your devices", DEVICES.format(rows=rows, token=csrf_token(request)), LESSON
    )


@view_config(route_name="devices", request_method="POST")
def end_devices(request: Request) -> Response:
    """End one of the user's sessions, or all of them, but never another user's."""
    if request.session.handle is None:
        return HTTPSeeOther(request.route_path("login"))
    sessions = request.session.sessions_of()
    if "everywhere" in request.POST:
        sessions.end_all()
        request.session.flash("You have been logged out everywhere.")
        return HTTPSeeOther(request.route_path("login"))
    if sessions.end(request.POST.get("handle", "")):
        request.session.flash("That session has ended.")
    return HTTPSeeOther(request.route_path("devices"))


def device_row(request: Request, session: UserSession) -> Markup:
    used = datetime.fromtimestamp(session.last_accessed, timezone.utc)
    end = Markup("this one")
    if not session.is_current:
        end = END.format(token=csrf_token(request), handle=session.handle)
    return ROW.format(**session.about, used=used, end=end)


END = Markup("""<form method="post" class="row">
<input type="hidden" name="csrf_token" value="{token}">
<input type="hidden" name="handle" value="{handle}"><button class="quiet">End</button></form>""")
ROW = Markup("""<tr><td>{device}</td><td>{place}</td><td>{used:%Y-%m-%d %H:%M} UTC</td>
<td>{end}</td></tr>
""")
DEVICES = Markup("""<div class="scroll"><table>
<thead><tr><th scope="col">Browser</th><th scope="col">Address</th><th scope="col">Last used</th>
<th scope="col"></th></tr></thead>
<tbody>{rows}</tbody>
</table></div>
<form method="post"><input type="hidden" name="csrf_token" value="{token}">
<button name="everywhere" value="yes">Log out everywhere</button></form>""")
LESSON = Lesson(
    "Log in with the same name in another browser and look again. An ended session fails at its "
    "next request, wherever it is.",
    'request.session.bind_user(user, device="...", place="...")\n'
    "request.session.sessions_of().end_all()",
)
