"""Sessions for any WSGI application, without Pyramid: a replacement for Beaker's and wsgistate's.

`SessionMiddleware` replaces Beaker's, `session_wrapper` and `WSGISession` replace those of
cromlech.wsgistate. PasteDeploy finds them by the functions in ``paste.py``.
"""

from __future__ import annotations

from .block import WSGISession as WSGISession
from .block import current_session as current_session
from .middleware import SessionMiddleware as SessionMiddleware
from .session import EnvironSession as EnvironSession
from .state import SessionTimeout as SessionTimeout
from .state import StateMiddleware as StateMiddleware
from .state import file_session_wrapper as file_session_wrapper
from .state import session_wrapper as session_wrapper
