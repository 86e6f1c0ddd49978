"""Who may do what with a service."""

from __future__ import annotations

import pytest

from kettlingard.core.rights import Asker, Rights, Rule, Verb, Whom, allowed

OWNER, BOB, EVE, EDITORS = 1000, 1001, 1002, 500
ANY = Rule(Whom.ANY)


def uid(number: int) -> Rule:
    return Rule(Whom.UID, number=number)


def gid(number: int) -> Rule:
    return Rule(Whom.GID, number=number)


def service(name: str) -> Rule:
    return Rule(Whom.SERVICE, service=name)


@pytest.mark.parametrize("who", [Asker(OWNER), Asker(0)])
@pytest.mark.parametrize("verb", Verb)
def test_the_owner_and_root_may_do_everything(who, verb):
    assert Rights(OWNER, status=(uid(EVE),)).may(who, verb)


@pytest.mark.parametrize("verb", Verb)
def test_nobody_else_may_do_what_is_not_listed(verb):
    assert not Rights(OWNER).may(Asker(BOB), verb)


@pytest.mark.parametrize(
    ("rules", "asker", "expected"),
    [
        ((ANY,), Asker(EVE), True),
        ((uid(BOB),), Asker(BOB), True),
        ((uid(BOB),), Asker(EVE), False),
        ((gid(EDITORS),), Asker(EVE, frozenset({7, EDITORS})), True),
        ((gid(EDITORS),), Asker(EVE, frozenset({7})), False),
        ((uid(EDITORS),), Asker(EVE, frozenset({EDITORS})), False),
        ((service("news"),), Asker(EVE, service="news"), True),
        ((service("news"),), Asker(EVE, service="oldnews"), False),
        ((service(""),), Asker(EVE), False),
        ((uid(EVE), service("news")), Asker(BOB, service="news"), True),
    ],
)
def test_one_matching_rule_is_enough(rules, asker, expected):
    assert allowed(rules, asker, OWNER) is expected


def test_a_service_of_the_owners_uid_may_call_where_no_rule_was_written():
    assert allowed((), Asker(OWNER, service="other"), OWNER)


def test_a_rule_that_names_one_service_keeps_the_others_out_though_their_uid_is_the_owners():
    rules = (service("news"),)
    assert allowed(rules, Asker(OWNER, service="news"), OWNER)
    assert not allowed(rules, Asker(OWNER, service="other"), OWNER)
    assert not allowed(rules, Asker(0, service="other"), OWNER)
    assert allowed(rules, Asker(OWNER), OWNER)


def test_the_verbs_are_apart():
    rights = Rights(OWNER, status=(ANY,), call=(uid(BOB),), control=(uid(EVE),))
    assert rights.may(Asker(EVE), Verb.STATUS)
    assert not rights.may(Asker(EVE), Verb.CALL)
    assert rights.may(Asker(BOB), Verb.CALL)
    assert not rights.may(Asker(BOB), Verb.CONTROL)


NAMES = ["ping", "read", "delete"]


def test_without_rules_for_methods_it_is_all_or_nothing():
    rights = Rights(OWNER, call=(uid(BOB),))
    assert rights.methods_for(Asker(BOB), NAMES) is None
    assert rights.methods_for(Asker(EVE), NAMES) == frozenset()


def test_a_rule_for_a_method_replaces_that_for_all():
    rights = Rights(OWNER, call=(uid(BOB),), methods={"delete": (uid(EVE),)})
    assert rights.methods_for(Asker(BOB), NAMES) == {"ping", "read"}
    assert rights.methods_for(Asker(EVE), NAMES) == {"delete"}
    assert rights.methods_for(Asker(OWNER), NAMES) is None
    assert rights.methods_for(Asker(0), NAMES) is None


def test_an_asker_is_named_for_people():
    assert str(Asker(BOB)) == "uid 1001"
    assert str(Asker(BOB, service="news")) == "service news"
