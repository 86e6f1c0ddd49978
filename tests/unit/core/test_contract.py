from kettlingard.core.contract import broken


def argument(name, *, required=False, kind="positional"):
    return {"name": name, "type": "any", "required": required, "kind": kind}


def method(name, *arguments, access="private"):
    return {"name": name, "access": access, "arguments": list(arguments)}


def test_what_was_there_and_more_breaks_nothing():
    old = [method("a", argument("x", required=True))]
    new = [method("a", argument("x"), argument("y")), method("b")]
    assert broken(old, new) == []


def test_a_removed_method_and_a_lost_argument_are_named():
    old = [method("gone", argument("key"), argument("way")), method("a", argument("x"))]
    assert broken(old, [method("a")]) == ["removed gone(key, way)", "a lost x"]


def test_an_argument_that_must_be_given_now_is_named():
    assert broken([method("a")], [method("a", argument("x", required=True))]) == [
        "a now requires x"
    ]


def test_a_public_method_that_becomes_private_is_gone_for_its_callers():
    assert broken([method("a", access="public")], [method("a")]) == ["removed a()"]


def test_a_method_that_takes_anything_loses_nothing():
    new = [method("a", argument("rest", kind="others"))]
    assert broken([method("a", argument("x"))], new) == []
