"""Arguments as they came -> arguments as the method's signature wants them.

A plan is made once per method; a call whose values have the right types already only walks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter as Kind
from typing import Any

from msgspec import Struct

from kettlingar.errors import BadRequest, HttpError

from .convert import converter, type_name
from .methods import EMPTY, Method, Parameter
from .scalars import shown

_MOST_PROBLEMS = 10  # that are listed
_IDENTITY_TYPES = frozenset({int, float, bool, str, bytes, list, dict})


def guarantee_type(rule: Any, value: Any) -> Any:
    """`value` as the type that the annotation `rule` names; ValueError says why not."""
    make = converter(rule)
    return value if make is None else make(value)


class _Slot(Struct, frozen=True):
    """One argument: values of `exact` type, and anything where `rule` is EMPTY, pass untouched."""

    name: str
    rule: Any
    exact: Any  # a type, or None
    default: Any
    make: Callable[[Any], Any] | None

    def take(self, method: Method, value: Any, convert: Callable[[Any, Any], Any]) -> Any:
        if value is None and self.default is None:  # `count: int = None` is common
            return None
        try:
            if convert is guarantee_type:
                return value if self.make is None else self.make(value)
            return value if self.rule is EMPTY else convert(self.rule, value)
        except HttpError:
            raise
        except Exception as problem:
            raise BadRequest(
                f"cannot call {method.name}: {self.name} is to be {type_name(self.rule)},"
                f" not {type(value).__name__} {shown(value)}: {problem}"
            ) from problem


class _Plan(Struct, frozen=True):
    positional: tuple[_Slot, ...]
    places: tuple[str | None, ...]  # their names, None where a name cannot be used
    named: dict[str, _Slot]
    required: tuple[tuple[str | None, int], ...]  # name as in `places`, and the place
    more: _Slot | None  # *args
    others: _Slot | None  # **kwargs
    reserved: frozenset[str]  # what **kwargs can still not take
    exact: tuple[Any, ...] | None  # types of values by place that pass untouched, if all may

    def knows(self, name: Any) -> bool:
        """Whether an argument may come by this name."""
        if name in self.named:
            return True
        return self.others is not None and isinstance(name, str) and name not in self.reserved


def _slot(parameter: Parameter) -> _Slot:
    rule = parameter.annotation
    exact = rule if isinstance(rule, type) and rule in _IDENTITY_TYPES else None
    return _Slot(parameter.name, rule, exact, parameter.default, converter(rule))


@cache
def _plan(method: Method) -> _Plan:
    """Methods compare by identity, and there are as many as were written."""
    by_place = [p for p in method.parameters if p.kind is not Kind.KEYWORD_ONLY]
    only_named = [p for p in method.parameters if p.kind is Kind.KEYWORD_ONLY]
    never = len(by_place) + 1
    places = tuple(_name(p, method.reserved) for p in by_place)
    return _Plan(
        positional=tuple(_slot(p) for p in by_place),
        places=places,
        named={p.name: _slot(p) for p in method.parameters if _name(p, method.reserved)},
        required=(
            *((places[i], i) for i, p in enumerate(by_place) if p.default is EMPTY),
            *((p.name, never) for p in only_named if p.default is EMPTY),
        ),
        more=_slot(method.var_args) if method.var_args else None,
        others=_slot(method.var_kwargs) if method.var_kwargs else None,
        reserved=method.reserved,
        exact=_exact(method, by_place),
    )


def _exact(method: Method, by_place: list[Parameter]) -> tuple[Any, ...] | None:
    rules = tuple(p.annotation for p in by_place)
    simple = len(by_place) == len(method.parameters) and not (method.var_args or method.var_kwargs)
    return rules if simple and all(rule in _IDENTITY_TYPES for rule in rules) else None


def _name(parameter: Parameter, reserved: frozenset[str]) -> str | None:
    unnamed = parameter.kind is Kind.POSITIONAL_ONLY or parameter.name in reserved
    return None if unnamed else parameter.name


def bind(
    method: Method,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    convert: Callable[[Any, Any], Any] = guarantee_type,
) -> tuple[list[Any], dict[str, Any]]:
    """Match and convert the arguments of a call, without self and the request.

    Raises BadRequest: unknown, missing or doubled names, too many values, a value that cannot
    be converted. `convert` may be an author's own guarantee_type(rule, value).
    """
    plan = _plan(method)
    if not kwargs:  # as in most calls
        if tuple(map(type, args)) == plan.exact and convert is guarantee_type:
            return list(args), {}
        if not args and not plan.required:
            return [], {}
    if not _fits(plan, args, kwargs):
        raise _misfit(method, plan, args, kwargs)
    own = convert is not guarantee_type
    by_place = []
    for slot, value in zip(plan.positional, args, strict=False):
        right = type(value) is slot.exact and not own
        by_place.append(value if right else slot.take(method, value, convert))
    if plan.more is not None:
        more = args[len(plan.positional) :]
        by_place += [plan.more.take(method, value, convert) for value in more]
    by_name = {}
    for name, value in kwargs.items():
        found = plan.named.get(name) or plan.others
        assert found is not None
        right = type(value) is found.exact and not own
        by_name[name] = value if right else found.take(method, value, convert)
    return by_place, by_name


def check(method: Method, args: Sequence[Any], kwargs: Mapping[Any, Any]) -> None:
    """Raise BadRequest if names and number of arguments do not fit; values are not looked at."""
    plan = _plan(method)
    if not _fits(plan, args, kwargs):
        raise _misfit(method, plan, args, kwargs)


def _fits(plan: _Plan, args: Sequence[Any], kwargs: Mapping[Any, Any]) -> bool:
    count = len(args)
    if count > len(plan.positional) and plan.more is None:
        return False
    if kwargs and not _names_fit(plan, count, kwargs):
        return False
    for name, place in plan.required:  # noqa: SIM110 - as below
        if place >= count and name not in kwargs:
            return False
    return True


def _names_fit(plan: _Plan, count: int, kwargs: Mapping[Any, Any]) -> bool:
    # Plain loops: every call comes by, and a generator costs twice as much as its checks.
    for name in kwargs:
        if name not in plan.named and not plan.knows(name):
            return False
    for place in plan.places[:count]:  # noqa: SIM110 - see above
        if place in kwargs:
            return False
    return True


def _misfit(
    method: Method, plan: _Plan, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> BadRequest:
    """All that does not fit the signature, at once."""
    count = len(args)
    problems = [
        f"{name} cannot be sent by name: the method keeps that name for what comes first"
        if plan.others is not None and name in plan.reserved
        else f"there is no argument {shown(name)}"
        for name in kwargs
        if not plan.knows(name)
    ]
    problems += [f"{name} is given twice" for name in plan.places[:count] if name in kwargs]
    problems += [
        f"{name or plan.positional[place].name} is missing"
        for name, place in plan.required
        if place >= count and name not in kwargs
    ]
    if count > len(plan.positional) and plan.more is None:
        problems.append(f"{count} values are given, it takes {len(plan.positional)} by place")
    if len(problems) > _MOST_PROBLEMS:
        problems[_MOST_PROBLEMS:] = [f"and {len(problems) - _MOST_PROBLEMS} more"]
    return BadRequest(f"cannot call {method.name}: {'; '.join(problems)}; {_takes(method)}")


def _takes(method: Method) -> str:
    names = [p.name if p.default is EMPTY else f"{p.name}=" for p in method.parameters]
    names += ["*" + method.var_args.name] if method.var_args else []
    names += ["**" + method.var_kwargs.name] if method.var_kwargs else []
    return f"it takes ({', '.join(names)})"
