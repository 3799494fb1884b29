"""A session that can do what Twisted's can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..sessions.session import Session
from .once import Once

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class TwistedSession(Session):
    """A session of this package's, which can do what Twisted's can."""

    #: What is called when the session ends, not handed to the site yet.
    on_expire: tuple[Callable[[], object], ...] = ()
    #: What is called when the session is saved, as it has been ended.
    on_save: tuple[Callable[[], object], ...] = ()
    #: Makes the save that was handed to a thread, or waits for its end, as long as there is one.
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
        """Have the callback called, once, when the session has ended, by hand or by itself.

        In this process, as long as it runs: a function cannot be stored.
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
        """Give what stores the changes, in a thread or before anybody writes to the session again.

        Two threads at work on one session would lose what the other one does.
        """
        earlier = self._await_save

        def save() -> None:
            earlier()
            self.persist()

        self._await_save = Once(save)
        self._writable = False  # whoever writes asks `_prepare_to_write`
        return self._await_save

    def _end_saving(self, result: T, save: Callable[[], object]) -> T:
        if self._await_save is save:
            del self._await_save
        return result
