"""Requests that are under way: each does what it is told, step by step, in a thread of its own."""

from __future__ import annotations

import threading
from queue import SimpleQueue


class OpenRequest:
    """A request of a browser to a real application; it has loaded its session when it begins."""

    def __init__(self, browser):
        self.browser = browser
        self._error = None
        self._steps, self._results = SimpleQueue(), SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.do(dict)

    def do(self, step):
        """Have the view call ``step(session)``, and give what that gave or raise what it raised."""
        self._steps.put(step)
        result, error = self._results.get()
        if error is not None:
            raise error
        return result

    def finish(self):
        """End the request; give the status of its response, which the browser has got."""
        self._steps.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self.browser.response.status_code

    def _run(self):
        try:
            self.browser.use(self._work)
        except Exception as error:
            self._error = error
            self._results.put((None, error))

    def _work(self, session):
        while (step := self._steps.get()) is not None:
            try:
                self._results.put((step(session), None))
            except Exception as error:
                self._results.put((None, error))
