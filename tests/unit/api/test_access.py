"""Who is let in, and to which methods."""

import hmac

import pytest

from kettlingar.api import access
from kettlingar.api.access import (
    Caller,
    Identity,
    host_allowed,
    may_call,
    same_secret,
    token_in_headers,
)
from kettlingar.api.methods import read_methods

SECRET = "s3cr3t-token"


class Kitten:
    async def public_api_meow(self, request_info): ...

    async def api_purr(self, request_info): ...


MEOW = read_methods(Kitten).find("meow", private=True)
PURR = read_methods(Kitten).find("purr", private=True)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SECRET}"},
        {"authorization": f"bearer  {SECRET} "},
        {"x-kitten": SECRET},
        {"host": "h", "cookie": "a=b", "x-anything": SECRET},
    ],
)
def test_the_token_is_found_where_it_may_be(headers):
    assert token_in_headers(headers, SECRET)


@pytest.mark.parametrize(
    "name", ["referer", "user-agent", "cookie", "origin", "host", "authorization"]
)
def test_what_browsers_send_by_themselves_is_no_credential(name):
    assert not token_in_headers({name: SECRET}, SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {SECRET}"},
        {"x-kitten": f"{SECRET}x"},
        {"x-kitten": f" {SECRET}"},
        {"x-kitten": SECRET.upper()},
        {"cookie": f"token={SECRET}"},
    ],
)
def test_nothing_else_is_the_token(headers):
    assert not token_in_headers(headers, SECRET)


@pytest.mark.parametrize("header", ["", "x"])
def test_without_a_secret_nobody_is_let_in(header):
    assert not token_in_headers({"x-kitten": header, "authorization": f"Bearer {header}"}, "")


@pytest.mark.parametrize(
    ("given", "secret", "same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("", "a", False),
        ("", "", False),
        ("é\N{CAT FACE}", "é\N{CAT FACE}", True),
        ("\udcff", "\udcff", True),
        ("\udcff", "a", False),
        ("a" * 10**6, "a", False),
    ],
)
def test_secrets_of_any_length_and_characters_compare(given, secret, same):
    assert same_secret(given, secret) is same


def test_a_token_of_the_right_length_is_compared_in_constant_time_wherever_it_is(monkeypatch):
    compared = []

    def compare(given, secret):
        compared.append((given, secret))
        return hmac.compare_digest(given, secret)

    monkeypatch.setattr(access, "compare_digest", compare)
    wrong = "x" * len(SECRET)
    for look in (
        lambda: same_secret(wrong, SECRET),  # in the path
        lambda: token_in_headers({"authorization": f"Bearer {wrong}"}, SECRET),
        lambda: token_in_headers({"x-kitten": wrong}, SECRET),
    ):
        compared.clear()
        assert not look()
        assert compared == [(wrong.encode(), SECRET.encode())]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.com", True),
        ("Example.COM.", True),
        ("example.com:8080", True),
        ("api.test:81", True),
        ("[::1]:80", True),
        ("[::1]", True),
        ("api.test:82", False),
        ("api.test", False),
        ("evil.com", False),
        ("example.com.evil.com", False),
        ("evil.com:example.com", False),
        ("evil.com@example.com", False),
        ("", False),
    ],
)
def test_only_allowed_hosts_are_answered(host, allowed):
    hosts = ["example.com", "api.test:81", "::1"]
    assert host_allowed({"host": host}, hosts) is allowed


def test_with_no_list_every_host_is_answered():
    assert host_allowed({"host": "evil.com", "origin": "https://evil.com"}, [])
    assert host_allowed({}, [])


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://example.com", True),
        ("http://example.com:81", True),
        ("https://evil.com", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_page_elsewhere_reaches_nothing(origin, allowed):
    headers = {"host": "example.com", "origin": origin}
    assert host_allowed(headers, ["example.com"]) is allowed


def test_a_request_without_host_is_not_answered_where_there_is_a_list():
    assert not host_allowed({}, ["example.com"])


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [
        (Identity(), False),
        (Identity(caller=Caller(uid=0)), False),
        (Identity(authorised=True), True),
        (Identity(authorised=True, caller=Caller(uid=1)), True),
        (Identity(authorised=True, caller=Caller(methods=frozenset({"purr"}))), True),
        (Identity(authorised=True, caller=Caller(methods=frozenset({"hiss"}))), False),
        (Identity(authorised=True, caller=Caller(methods=frozenset())), False),
    ],
)
def test_private_methods_need_credentials_that_reach_so_far(identity, allowed):
    assert may_call(identity, PURR) is allowed
    assert may_call(identity, MEOW)
