"""Typed objects on a session: made on first use, kept as plain data, typed again when read.

Only the state of an object is stored. Its class comes from the registration, or from the caller,
so that no stored name is ever imported.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import ComponentConflict, SerializationError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Begins the key of each component; the qualified name of its interface or class follows.
COMPONENT_PREFIX = "_c_"


class ComponentRegistry:
    """Which class makes the component of which interface; others are looked for in ``parent``.

    Example::

        registry = ComponentRegistry()
        registry.register(Counter, ICounter)
    """

    def __init__(self, parent: ComponentRegistry | None = None) -> None:
        self._parent = parent
        self._registered: dict[Any, tuple[type, str]] = {}

    def register(self, factory: type, *interfaces: Any) -> None:
        """Register a class that makes the component of the interfaces: one object for all.

        Raises `TypeError` for anything but a class, and for one that derives from a built-in type
        such as dict; `ComponentConflict` for an interface that has a class already.
        """
        if not isinstance(factory, type):
            raise TypeError(
                "Register a class: a component's state is restored into an instance of it."
            )
        _refuse_built_in(factory)
        if not interfaces:
            raise TypeError("Name at least one interface that the class is registered for.")
        for interface in interfaces:
            if interface in self._registered:
                raise ComponentConflict(qualified_name(interface))
        key = COMPONENT_PREFIX + qualified_name(interfaces[0])
        self._registered.update((interface, (factory, key)) for interface in interfaces)

    def find(self, interface: Any) -> tuple[type, str] | None:
        """Give the class for an interface, and the key of its state."""
        if interface in self._registered or self._parent is None:
            return self._registered.get(interface)
        return self._parent.find(interface)


#: Types whose contents are not in attributes.
_BUILT_IN = (dict, list, set, frozenset, deque, tuple, str, bytes, bytearray, int, float)

#: The registrations of `register_component`, for all configurations, and without any.
everywhere = ComponentRegistry()

register_component = everywhere.register


def qualified_name(interface: Any) -> str:
    """Give the full name of an interface or a class."""
    name = getattr(interface, "__identifier__", None)
    return str(name or f"{interface.__module__}.{interface.__qualname__}")


class WithComponents(MutableMapping[str, Any]):
    """Adds typed objects to a mapping that has ``_views`` of its keys."""

    _views: Mapping[str, Any]

    def component(self, interface: Any) -> Any:
        """Give the session's one object of an interface or a class; it is made if there is none.

        Its attributes are stored when they have changed, like anything else in the session.
        A dataclass or attrs class is called without arguments, another class with the session.
        Raises `TypeError` for an interface that has no class.

        Example::

            @dataclasses.dataclass
            class Cart:
                items: list = dataclasses.field(default_factory=list)

            session.component(Cart).items.append("tea")
        """
        found = self._component_class(interface)
        if found is None:
            raise TypeError(f"{qualified_name(interface)} has no class: register a component.")
        return self._component(*found)

    def set_component(self, interface: Any, component: Any) -> None:
        """Replace the session's object of an interface or a class.

        Raises `TypeError` unless its class is the one that is registered.
        """
        found = self._component_class(interface)
        if found is None or type(component) is not found[0]:
            raise TypeError(f"This object is not of the class registered for {interface!r}.")
        self._keep(found[1], component)

    def unset_component(self, interface: Any) -> None:
        """Remove the object of an interface or a class, if there is one."""
        found = self._component_class(interface)
        if found is not None:
            self.pop(found[1], None)

    def __conform__(self, interface: Any) -> Any:
        """Give the component for ``ICounter(session)``; ``None`` where none is registered."""
        found = self._component_registry().find(interface)
        return None if found is None else self._component(*found)

    def _component_registry(self) -> ComponentRegistry:
        return everywhere

    def _component_class(self, interface: Any) -> tuple[type, str] | None:
        found = self._component_registry().find(interface)
        if found is None and isinstance(interface, type):
            _refuse_built_in(interface)
            return interface, COMPONENT_PREFIX + qualified_name(interface)
        return found

    def _component(self, factory: type, key: str) -> Any:
        state = self.get(key)
        if type(state) is not dict:
            component = factory() if _field_names(factory) is not None else factory(self)
            self._keep(key, component)
            return component
        if key not in self._views:
            self._views = {**self._views, key: ComponentView(_restored(factory, state))}
        return self._views[key].component

    def _keep(self, key: str, component: Any) -> None:
        view = ComponentView(component)
        self[key] = view()
        self._views = {**self._views, key: view}


class ComponentView:
    """Gives the current state of its component."""

    def __init__(self, component: Any) -> None:
        self.component = component

    def __call__(self) -> dict[str, Any]:
        """Give the fields of a dataclass or attrs class; of another class, what pickle would store.

        Raises `SerializationError` if that is no dictionary.
        """
        component = self.component
        names = _field_names(type(component))
        if names is not None:
            return {name: getattr(component, name) for name in names}
        reduced = component.__reduce_ex__(2)
        state = reduced[2] if len(reduced) > 2 else reduced
        parts = state if isinstance(state, tuple) else (state,)  # several with __slots__
        if not all(isinstance(part, dict | None) for part in parts):
            raise SerializationError(f"the state of {type(component).__name__} is no dictionary")
        return {name: value for part in parts for name, value in (part or {}).items()}


def _refuse_built_in(factory: type) -> None:
    if issubclass(factory, _BUILT_IN):
        raise TypeError(
            f"{factory.__name__} derives from a built-in type, whose contents would not be stored: "
            "keep them in an attribute."
        )


def _restored(factory: type, state: dict[str, Any]) -> Any:
    names = _field_names(factory)
    # Fields that the class has gained since have their defaults; those it has lost are left out.
    component: Any = object.__new__(factory) if names is None else factory()
    if names is None and hasattr(factory, "__setstate__"):
        component.__setstate__(state)
        return component
    for name, value in state.items():
        if names is None or name in names:
            with suppress(AttributeError):  # the class may have lost one of its __slots__
                object.__setattr__(component, name, value)  # frozen dataclasses need this way
    return component


def _field_names(factory: type) -> list[str] | None:
    """Give the fields of a dataclass or an attrs class, ``None`` for another class."""
    if dataclasses.is_dataclass(factory):
        return [field.name for field in dataclasses.fields(factory)]
    fields = getattr(factory, "__attrs_attrs__", None)
    return None if fields is None else [field.name for field in fields]
