"""Sessions for twisted.web, in any store, with the methods and names of Twisted's own.

Needs the extra ``pyramid_beakerish[twisted]``.
"""

from __future__ import annotations

from .request import SessionRequest as SessionRequest
from .request import get_session as get_session
from .session import TwistedSession as TwistedSession
from .site import SessionSite as SessionSite
