"""How the pages of the demonstration look: one template, which escapes what is put into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup
from pyramid.response import Response

if TYPE_CHECKING:
    from pyramid.request import Request

NAVIGATION = {
    "home": "Counter",
    "howdy": "Howdy",
    "login": "Login",
    "devices": "Devices",
    "notes": "Form",
    "reports": "Cache",
    "session": "Session",
}

CSS = Markup("""
:root {
  color-scheme: light dark;
  --paper: #f6f5f2; --card: #fff; --ink: #1d2126; --soft: #5a626d; --line: #dcd9d2;
  --accent: #0b5f6b; --on-accent: #fff; --wash: #e3f0f1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --card: #1e2226; --ink: #e8e6e1; --soft: #a5adb7; --line: #363c43;
    --accent: #6fc7d2; --on-accent: #0c1e21; --wash: #17343a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, sans-serif; }
header, main, footer { max-width: 44rem; margin: 0 auto; padding: 1rem 1.5rem; }
header p { margin: .5rem 0; font-weight: 650; }
nav { display: flex; flex-wrap: wrap; gap: .25rem; margin: 0 -.6rem; }
nav a { padding: .35rem .6rem; border-radius: .4rem; text-decoration: none; }
nav a[aria-current] { background: var(--accent); color: var(--on-accent); }
a { color: var(--accent); }
main { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.5rem; }
main > :last-child { margin-bottom: 0; }
h1 { margin: 0 0 .75rem; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
.count { margin: 1.25rem 0; font-size: 2.4rem; line-height: 1.2; }
.flash { margin: 0 0 1.25rem; padding: .6rem .9rem; border-left: .3rem solid var(--accent);
  background: var(--wash); border-radius: .3rem; overflow-wrap: anywhere; }
code { font: .9em ui-monospace, monospace; }
pre { margin: 1.25rem 0; padding: .75rem .9rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: .4rem; overflow-x: auto; }
form { margin: 1.25rem 0; }
form.row { margin: 1rem 0; }
label { display: block; margin: .6rem 0; }
input[type=text] { display: block; width: 100%; max-width: 24rem; padding: .5rem .6rem;
  font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft);
  border-radius: .4rem; }
button { padding: .5rem .9rem; font: inherit; font-weight: 600; color: var(--on-accent);
  background: var(--accent); border: 1px solid var(--accent); border-radius: .4rem;
  cursor: pointer; }
button.quiet { color: var(--accent); background: transparent; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .8rem .45rem 0; text-align: left; border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
td:first-child { white-space: normal; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 500; white-space: nowrap; }
li { overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: .9rem; }
@media (max-width: 46rem) {
  header, main, footer { padding-left: 1rem; padding-right: 1rem; }
  main { border-radius: 0; border-width: 1px 0; }
  table { font-size: .85rem; }
  th, td { padding-right: .5rem; }
}
""")

SHELL = Markup("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - pyramid_beakerish</title>
<link rel="icon" href="data:,">
<style>{css}</style>
</head>
<body>
<header>
<p>pyramid_beakerish, a demonstration</p>
<nav aria-label="Pages">{links}</nav>
</header>
<main>
{messages}
<h1>{title}</h1>
{body}
{lesson}
</main>
<footer>The views are in <code>pyramid_beakerish/demo.py</code> and beside it, the settings in
<code>example.ini</code>.</footer>
</body>
</html>
""")

LINK = Markup('<a href="{}"{}>{}</a>')
MESSAGE = Markup('<p class="flash" role="status">{}</p>')
LESSON = Markup("<p>{lesson.shows}</p>\n<pre><code>{lesson.code}</code></pre>")
BUTTON = Markup("""<form class="row" method="post" action="{path}">
<input type="hidden" name="csrf_token" value="{token}">
<button class="quiet">{label}</button>
</form>
""")


class Lesson(NamedTuple):
    """What a page shows, and the lines of code that do it."""

    shows: str
    code: str


def page(
    request: Request, title: str, body: Markup, lesson: Lesson | None = None, status: int = 200
) -> Response:
    """Answer with a page; it shows the visitor's waiting messages, which removes them."""
    here = request.matched_route and request.matched_route.name
    html = SHELL.format(
        title=title,
        css=CSS,
        links=Markup("\n").join(_link(request, name, name == here) for name in NAVIGATION),
        messages=Markup("").join(map(MESSAGE.format, request.session.pop_flash())),
        body=body,
        lesson=LESSON.format(lesson=lesson) if lesson else "",
    )
    return Response(html, status=status)


def button(request: Request, route: str, label: str) -> Markup:
    """Make a form that is nothing but a button."""
    path = request.route_path(route)
    return BUTTON.format(path=path, token=csrf_token(request), label=label)


def csrf_token(request: Request) -> str:
    """Give the CSRF token that this visitor's forms must carry."""
    token: str = request.session.get_csrf_token()
    return token


def _link(request: Request, name: str, is_here: bool) -> Markup:
    current = Markup(' aria-current="page"') if is_here else ""
    return LINK.format(request.route_path(name), current, NAVIGATION[name])
