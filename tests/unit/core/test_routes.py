import pytest

from kettlingard.core.check import check_together
from kettlingard.core.parse import Source, parse
from kettlingard.core.routes import Request, choose, plain_host, plain_path, table

KITTEN = '[service]\nkitten = "a:B"\n'


def spec(name, *routes, more=""):
    text = "".join(f'[[route]]\nlisten = "public"\n{one}\n' for one in routes)
    return parse(name, [Source(f"{name}.toml", KITTEN + more + text)])


def where(path, host="example.org", method="GET", *, services):
    return choose(table(services)["public"], Request(method, host, path))


SITE = spec("site", 'path = "/"')
API = spec("api", 'path = "/api"', 'host = "API.example.org:80"'.replace(":80", ""))
BLOG = spec("blog", 'host = "blog.example.org"')
POSTS = spec("posts", 'path = "/api"\nmethods = ["POST"]')
ALL = [SITE, API, BLOG, POSTS]


@pytest.mark.parametrize(
    ("path", "host", "method", "service"),
    [
        ("/", "example.org", "GET", "site"),
        ("/apis", "example.org", "GET", "site"),
        ("/api", "example.org", "GET", "api"),
        ("/api/x/y", "blog.example.org", "GET", "api"),  # the longest path comes before the host
        ("/x", "BLOG.example.org:8080", "GET", "blog"),
        ("/x", "blog.example.org.", "GET", "blog"),
        ("/x", "api.example.org", "GET", "api"),
        ("/api", "example.org", "POST", "posts"),
        ("/%61pi/x", "", "GET", "api"),
        ("/x/../api", "", "GET", "api"),
        ("//api", "", "GET", "api"),
        ("/api/../..", "", "GET", "site"),
    ],
)
def test_the_longest_path_wins_and_then_the_host(path, host, method, service):
    assert where(path, host, method, services=ALL) == service


def test_what_nobody_takes_is_nobodys():
    assert where("/", "example.org", services=[BLOG]) is None
    assert where("/api", "example.org", "GET", services=[POSTS]) is None


@pytest.mark.parametrize(
    ("host", "plain"),
    [("[::1]:80", "::1"), ("A.b:80", "a.b"), ("", ""), ("127.0.0.1:1", "127.0.0.1")],
)
def test_a_host_is_compared_without_its_port(host, plain):
    assert plain_host(host) == plain


@pytest.mark.parametrize(("path", "plain"), [("*", "/*"), ("/a%zz", "/a%zz"), ("/a/./b/", "/a/b")])
def test_a_path_is_compared_in_its_plain_form(path, plain):
    assert plain_path(path) == plain


def test_a_route_says_what_is_wrong_with_it():
    host, path = spec("x", 'host = "http://a"', 'path = "api"')
    assert "route[0].host" in str(host)
    assert 'is not a path such as "/" or "/api"' in str(path)


def test_two_services_that_claim_the_same_requests_are_both_told():
    other = spec("other", 'path = "/"\nmethods = ["GET"]', 'path = "/"')
    found = check_together({"site": SITE, "other": other})
    assert set(found) == {"site", "other"}
    [problem] = found["site"]
    assert "other claims the same requests of public (any host, /)" in str(problem)


def test_a_route_that_repeats_another_one_of_its_file_is_refused():
    [problem] = spec("x", 'path = "/a"', 'path = "/a/"')
    assert "another route of this file says the same" in str(problem)


def test_a_route_needs_a_listener_that_there_is():
    [problem] = check_together({"site": SITE}, ["private"])["site"]
    assert 'no [[listen]] with the name "public"; there are: private' in str(problem)
    assert check_together({"site": SITE}, ["public"]) == {}


def test_a_program_that_is_no_kitten_has_no_routes():
    text = '[service]\ntype = "simple"\nexec = ["x"]\n[[route]]\nlisten = "public"\n'
    problems = parse("x", [Source("x.toml", text)])
    assert "route[0]: means nothing to a program of type simple" in str(problems[0])
