"""Which functions of a class are methods of its service: read once, kept as plain records.

Nothing but what stands in the table can be called from outside.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from .reserved import LEGACY, reserved_names
from .takeover import Takeover, without_takeover

EMPTY: Any = inspect.Parameter.empty
_REQUEST = ("request_info", "_request_info", "request", "_request", "method")
_VAR_ARGS = inspect.Parameter.VAR_POSITIONAL
_VAR_KWARGS = inspect.Parameter.VAR_KEYWORD
_SELF_KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

_AWAITING = {dis.opmap["GET_AWAITABLE"], dis.opmap["GET_ANEXT"]}

# attribute prefix -> (public, raw); the longer ones first
_PREFIXES = {
    "public_api_": (True, False),
    "public_raw_": (True, True),
    "api_": (False, False),
    "raw_": (False, True),
}


class Parameter(Struct, frozen=True):
    """One argument of a method, its annotation resolved to a type."""

    name: str
    annotation: Any  # EMPTY: none was written
    default: Any  # EMPTY: required
    kind: Any  # as inspect.Parameter has them


class Method(Struct, frozen=True, eq=False, dict=True):
    """One callable of a service; `parameters` leave out self and the request.

    `legacy` methods take (method, headers, body) where others take request_info.
    `target` is the object that has it, None for the service itself.
    """

    name: str
    public: bool
    raw: bool
    streams: bool  # an async generator
    waits: bool  # it may suspend; False: nothing in it awaits, so it needs no task
    attribute: str  # "public_api_meow"
    legacy: bool
    parameters: tuple[Parameter, ...]
    returns: Any
    doc: str
    owner: type
    var_args: Parameter | None = None
    var_kwargs: Parameter | None = None
    target: object = None
    takeover: Takeover | None = None  # it speaks another protocol on the connection
    reserved: frozenset[str] = frozenset()  # names that no argument can be sent by

    @cached_property
    def at_length(self) -> bool:
        """Whether it makes more of its connection than one answer."""
        return self.raw or self.streams or self.takeover is not None

    @cached_property
    def needs_task(self) -> bool:
        """Whether it cannot be run to its end at once."""
        return self.waits or self.at_length

    @property
    def where(self) -> str:
        """`Class.attribute`, for messages."""
        return f"{self.owner.__qualname__}.{self.attribute}"

    def function(self, service: object) -> Any:
        """The bound callable: of `target`, or else of the service."""
        return getattr(service if self.target is None else self.target, self.attribute)


class MethodTable:
    """An immutable map of names to methods; one name may have a private and a public one."""

    __slots__ = ("_by_access", "_private", "_public")

    def __init__(self, methods: Iterable[Method] = ()) -> None:
        """Raise TypeError if two methods have the same name and access."""
        by_access: dict[tuple[str, bool], Method] = {}
        for method in methods:
            key = method.name, method.public
            if key in by_access and not _replaces(by_access[key], method):
                raise TypeError(
                    f"cannot have both {by_access[key].where} and {method.where}: callers know"
                    f" both as {method.name!r} with the same access; rename one of them"
                )
            by_access[key] = method
        self._by_access = by_access
        public = {name: m for (name, is_public), m in by_access.items() if is_public}
        private = {name: m for (name, is_public), m in by_access.items() if not is_public}
        self._public = MappingProxyType(public)
        self._private = MappingProxyType(public | private)

    def find(self, name: str, *, private: bool) -> Method | None:
        """The method that a caller gets: those with credentials the private one of a pair."""
        return (self._private if private else self._public).get(name)

    def with_methods(self, methods: Iterable[Method]) -> MethodTable:
        """A table with these too; TypeError names both sides of a clash."""
        return MethodTable([*self, *methods])

    def names(self) -> list[str]:
        """All names, sorted, each once."""
        return sorted(self._private)

    def __iter__(self) -> Iterator[Method]:
        return iter([self._by_access[key] for key in sorted(self._by_access)])

    def __len__(self) -> int:
        return len(self._by_access)


def _replaces(old: Method, new: Method) -> bool:
    """The same attribute of the same object, assigned again, is no clash."""
    return new.target is old.target and new.attribute == old.attribute


def read_methods(cls: type) -> MethodTable:
    """The methods of a class and all its bases, read once.

    Raises TypeError: a clash of names, an annotation that means nothing, no place for the request.
    """
    return _read_class(cls)


@cache
def _read_class(cls: Any) -> MethodTable:
    named = [attribute for attribute in dir(cls) if _split(attribute)]
    found = (_read_once(_owner(cls, attribute), attribute) for attribute in named)
    return MethodTable(method for method in found if method is not None)


def _owner(cls: type, attribute: str) -> type:
    return next((c for c in cls.__mro__ if attribute in vars(c)), cls)


def _read_once(owner: type, attribute: str) -> Method | None:
    """As it is for all subclasses of `owner`, until somebody assigns it anew."""
    value = vars(owner).get(attribute)
    known = _known.get((owner, attribute))
    if known is None or known[0] is not value:
        method = _read(owner, attribute, value) if _is_method(value) else None
        known = _known[owner, attribute] = value, method
    return known[1]


_known: dict[tuple[type, str], tuple[Any, Method | None]] = {}


def read_object(obj: object) -> list[Method]:
    """The methods of an object's class, and those assigned to the object itself."""
    methods = [*read_methods(type(obj)), *read_assigned(obj)]
    return [replace(method, target=obj) for method in MethodTable(methods)]


def read_assigned(obj: object) -> list[Method]:
    """Methods that were assigned to this object: `self.api_mrow = self.api_both`."""
    return [
        _read(type(obj), attribute, value, bound=True)
        for attribute, value in sorted(getattr(obj, "__dict__", {}).items())
        if _split(attribute) and _is_method(value)
    ]


def _split(attribute: str) -> tuple[str, bool, bool] | None:
    for prefix, (public, raw) in _PREFIXES.items():
        if attribute.startswith(prefix) and len(attribute) > len(prefix):
            return attribute[len(prefix) :], public, raw
    return None


def _is_method(value: object) -> bool:
    """Async functions are, and what may be a decorated one.

    An author's data called api_url, or a plain helper called api_key, is nobody's business.
    """
    function = inspect.unwrap(getattr(value, "__func__", value))  # type: ignore[arg-type]
    if not inspect.isfunction(function):
        return False
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return True
    found = list(inspect.signature(function).parameters.values())
    skipped = 0 if isinstance(value, staticmethod) else 1
    return any(p.kind is _VAR_ARGS or p.name in _REQUEST for p in found[: skipped + 1])


def _read(cls: type, attribute: str, value: Any, *, bound: bool = False) -> Method:
    named = _split(attribute)
    assert named is not None
    name, public, raw = named
    owner = _owner(cls, attribute)
    where = f"{owner.__qualname__}.{attribute}"
    called = getattr(value, "__func__", value)
    function = inspect.unwrap(called)
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"cannot stream from {where}: it is a plain generator; write `async def`")
    found = list(inspect.signature(function).parameters.values())
    has_self = _has_self(value, bound=bound)
    if has_self:
        found = found[1:]
    legacy = tuple(p.name for p in found[:3]) == LEGACY
    rest = _after_request(found, where, legacy=legacy)
    parameters, takeover = without_takeover(
        [_parameter(p, function, owner, where) for p in rest], where
    )
    plain = tuple(p for p in parameters if p.kind not in (_VAR_ARGS, _VAR_KWARGS))
    return Method(
        name=name,
        public=public,
        raw=raw,
        streams=inspect.isasyncgenfunction(function),
        waits=_may_wait(called),
        attribute=attribute,
        legacy=legacy,
        parameters=plain,
        returns=_returns(function, owner),
        doc=inspect.getdoc(function) or "",
        owner=owner,
        var_args=next((p for p in parameters if p.kind is _VAR_ARGS), None),
        var_kwargs=next((p for p in parameters if p.kind is _VAR_KWARGS), None),
        takeover=takeover,
        reserved=reserved_names(called, has_self=has_self, legacy=legacy)
        | ({takeover.name} if takeover else set()),
    )


def _may_wait(function: Any) -> bool:
    """Whether a coroutine function has an `await`, `async for` or `async with` in it.

    Of the function that will be called, which is a decorator's wrapper where there is one.
    """
    if not inspect.iscoroutinefunction(function) or not inspect.isfunction(function):
        return True
    # Two bytes for each instruction; what a specialising interpreter keeps among them reads as 0.
    return not _AWAITING.isdisjoint(function.__code__.co_code[::2])


def _has_self(value: Any, *, bound: bool) -> bool:
    if bound:  # a function assigned to an instance has no self; a bound method does
        return inspect.ismethod(value)
    return not isinstance(value, staticmethod)


def _after_request(
    found: list[inspect.Parameter], where: str, *, legacy: bool
) -> list[inspect.Parameter]:
    """What follows the request in a signature."""
    if legacy:
        return found[3:]
    if found and found[0].kind is _VAR_ARGS:
        return found  # the request is the first of them
    if not found or found[0].kind not in _SELF_KINDS:
        raise TypeError(
            f"cannot call {where}: it takes no request; write `def …(self, request_info, …)`"
        )
    return found[1:]


def _parameter(p: inspect.Parameter, function: Any, owner: type, where: str) -> Parameter:
    annotation = p.annotation
    if annotation is not EMPTY:
        try:
            annotation = _resolve(annotation, function, owner)
        except Exception as problem:
            raise TypeError(
                f"cannot understand {where}, argument {p.name}: {p.annotation!r} is no type here"
                f" ({problem}); import it outside of TYPE_CHECKING"
            ) from problem
    return Parameter(p.name, annotation, p.default, p.kind)


def _returns(function: Any, owner: type) -> Any:
    """Nobody converts results by it, so a name that only type checkers know stays text."""
    annotation = getattr(function, "__annotations__", {}).get("return", EMPTY)
    try:
        return _resolve(annotation, function, owner)
    except Exception:  # noqa: BLE001 - evaluating an author's text may raise anything
        return annotation


class _Annotated:
    """Bears one annotation, so that one bad name does not hide the others' meaning."""

    def __init__(self, annotation: Any) -> None:
        self.__annotations__ = {"it": annotation}


def _resolve(annotation: Any, function: Any, owner: type) -> Any:
    if annotation is EMPTY:
        return EMPTY
    names = getattr(function, "__globals__", {})
    local = dict(vars(owner))
    return get_type_hints(_Annotated(annotation), names, local, include_extras=True)["it"]
