"""A session that can do what Twisted's can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..sessions.session import Session
from .once import Once

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class TwistedSession(Session):
    """A session of this package that can do what Twisted's can."""

    #: Functions to call when the session ends, not handed to the site yet.
    on_expire: tuple[Callable[[], object], ...] = ()
    #: Functions to call when the session is saved, as it has been ended.
    on_save: tuple[Callable[[], object], ...] = ()
    #: While a save is handed to a thread: makes that save, or waits for its end.
    _await_save: Callable[[], object] = staticmethod(lambda: None)

    @property
    def uid(self) -> str:
        """The id of the session, 256 random bits. It is a secret: do not log it."""
        return self.id

    @property
    def lastModified(self) -> float:  # noqa: N802 - Twisted's name
        """When the session was last used, within the touch interval."""
        accessed = self.last_accessed
        return self._manager.clock() if accessed is None else accessed

    @property
    def sessionTimeout(self) -> float | None:  # noqa: N802 - Twisted's name
        """How long the session lives after its last use, in seconds; can be set for this one."""
        timeout: float | None = self._setting("timeout", self._settings.timeout)
        return timeout

    @sessionTimeout.setter
    def sessionTimeout(self, seconds: float | None) -> None:  # noqa: N802 - Twisted's name
        self.set_lifetime(timeout=seconds)

    def persist(self) -> None:
        """See `Session`."""
        self._await_save()
        super().persist()

    def touch(self) -> None:
        """Count this request as use. Not needed where the session is read."""
        self._touch()

    def invalidate(self) -> None:
        """End the session when the response is sent. The same object goes on as a new session."""
        super().invalidate()
        self.on_save += self.on_expire
        self.on_expire = ()

    expire = delete = invalidate

    def notifyOnExpire(self, callback: Callable[[], object]) -> None:  # noqa: N802 - Twisted's name
        """Have the callback called, once, when the session is ended or has expired.

        It is called in this process only, while that runs, as a function cannot be stored.
        """
        self.on_expire += (callback,)

    def getComponent(self, interface: Any, default: Any = None) -> Any:  # noqa: N802
        """Give the component of an interface, or the default if it has no class."""
        component = self.__conform__(interface)
        return default if component is None else component

    def setComponent(self, interface: Any, component: Any) -> None:  # noqa: N802
        """See `set_component`."""
        self.set_component(interface, component)

    def unsetComponent(self, interface: Any) -> None:  # noqa: N802
        """See `unset_component`."""
        self.unset_component(interface)

    def _prepare_to_write(self, key: str | None = None) -> None:
        self._await_save()
        super()._prepare_to_write(key)

    def _begin_saving(self) -> Callable[[], object]:
        """Give a function that stores the changes: in a thread, or before the session's next write.

        Two threads at work on one session would each lose what the other does.
        """
        earlier = self._await_save

        def save() -> None:
            earlier()
            self.persist()

        self._await_save = Once(save)
        self._writable = False  # so that a write calls `_prepare_to_write`
        return self._await_save

    def _end_saving(self, result: T, save: Callable[[], object]) -> T:
        if self._await_save is save:
            del self._await_save
        return result
