"""Requests that are under way: each does what it is told, step by step, in a thread of its own."""

from __future__ import annotations

from queue import SimpleQueue

from pyramid_beakerish.testing.together import PATIENCE, Background


class OpenRequest:
    """A request of a browser to a real application; it has loaded its session when it begins."""

    def __init__(self, browser):
        self.browser = browser
        self._steps, self._results = SimpleQueue(), SimpleQueue()
        self._request = Background(self._run)
        self.do(dict)

    def do(self, step):
        """Have the view call ``step(session)``, and give what that gave or raise what it raised."""
        self._steps.put(step)
        result, error = self._results.get(timeout=PATIENCE)
        if error is not None:
            raise error
        return result

    def finish(self):
        """End the request; give the status of its response, which the browser has got."""
        self._steps.put(None)
        self._request.result()
        return self.browser.response.status_code

    def _run(self):
        try:
            self.browser.use(self._work)
        except Exception as error:
            self._results.put((None, error))
            raise

    def _work(self, session):
        while (step := self._steps.get(timeout=PATIENCE)) is not None:
            try:
                self._results.put((step(session), None))
            except Exception as error:
                self._results.put((None, error))
