"""Paths of pages -> routes and arguments."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.webkitten.routes import Route, Router


def match(route, path, method="GET", prefix="", private=True):
    return Router([route], prefix).match(path, method, private=private)


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("/", "/", {}),
        ("/pages/<slug:name>/", "/pages/a-b_1/", {"name": "a-b_1"}),
        ("/pages/<slug:name>/", "/pages/a-b_1", {"name": "a-b_1"}),
        ("/n/<int:n>", "/n/-7", {"n": -7}),
        ("/n/<float:n>", "/n/1.5", {"n": 1.5}),
        ("/u/<name>.html", "/u/%C3%A5.html", {"name": "å"}),
        ("/<int:a>-<int:b>", "/1-2", {"a": 1, "b": 2}),
        (
            "/id/<uuid:id>",
            "/id/00000000-0000-0000-0000-00000000000a",
            {"id": UUID(int=10)},
        ),
        ("/a+b", "/a+b", {}),
    ],
)
def test_a_pattern_takes_its_arguments_from_the_path(pattern, path, values):
    found = match(Route(pattern, "api_x"), path)
    assert found is not None
    assert found.values == values


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/", "/x"),
        ("/pages/<slug:name>/", "/pages/a.b/"),
        ("/pages/<slug:name>/", "/pages/"),
        ("/pages/<slug:name>/", "/pages/a/b"),
        ("/n/<int:n>", "/n/x"),
        ("/n/<int:n>", "/n/" + "9" * 30),
        ("/n/<int:n>", "/n/٣"),  # a digit, but not one of ours
        ("/n/<int:n>", "/n/3%0A"),
        ("/page", "/page/"),
        ("/a.b", "/axb"),
        ("/x", "//x"),
        ("/a/<name>", "/a/b%2Fc"),
        ("/a/<name>", "/a/.."),
        ("/a/<name>", "/a/%2e%2e"),
        ("/a/<name>", "/a/b%00"),
        ("404", "/404"),
    ],
)
def test_what_does_not_fit_is_no_match(pattern, path):
    assert match(Route(pattern, "api_x"), path) is None


def test_subpaths_give_the_rest_by_name_or_as_the_first_argument():
    by_name = Route("/pages/", "api_x", subpaths="more")
    assert match(by_name, "/pages/a/b.html").values == {"more": "/a/b.html"}
    assert match(by_name, "/pages/a/").values == {"more": "/a/"}
    assert match(by_name, "/pages/").values == {}
    by_place = Route("/pages", "api_x", subpaths=True)
    assert match(by_place, "/pages/a/b.html").args == ("/a/b.html",)
    assert match(by_place, "/pages").args == ()
    for path in ("/pages/../x", "/pages/%2e%2e/x", "/pages/a%2Fb", "/pages//x", "/pagesx"):
        assert match(by_place, path) is None


def test_the_prefix_stands_before_every_route():
    route = Route("/a/", "api_x")
    assert match(route, "/p/q/a/", prefix="/p/q/")
    assert match(route, "/a/", prefix="/p/q/") is None
    assert match(Route("/", "api_x"), "/p/", prefix="p")


def test_the_first_route_that_fits_and_takes_the_method_is_used():
    form = Route("/form", "api_send", methods=["post"])
    shown = Route("/form", "api_show")
    router = Router([form, shown, Route("/<name>", "api_any")])
    assert router.match("/form", "POST", private=True).route is form
    assert router.match("/form", "HEAD", private=True).route is shown
    assert router.match("/form", "PUT", private=True) is None
    assert router.methods("/form", private=True) == ["GET", "HEAD", "POST"]


def test_private_routes_do_not_exist_for_strangers():
    route = Route("/a", "api_x")
    assert match(route, "/a", private=False) is None
    assert Router([route]).methods("/a", private=False) == []
    assert match(Route("/a", "api_x", public=True), "/a", private=False)


@pytest.mark.parametrize("path", ["/<what:n>", "/<n>/<n>", "/<n>-<n>"])
def test_a_route_that_means_nothing_is_an_error_that_names_it(path):
    with pytest.raises(ValueError, match="route /<"):
        Router([Route(path, "api_x")])


def test_the_query_string_is_let_in_as_the_route_says():
    assert not Route("/", "x").query_allowed("a")
    assert Route("/", "x", qs=True).query_allowed("a")
    assert Route("/", "x", qs=["a"]).query_allowed("a")
    assert not Route("/", "x", qs=["a"]).query_allowed("b")


@given(st.text())
def test_no_path_makes_the_router_fail_or_lead_upwards(text):
    found = match(Route("/s/", "api_x", subpaths=True), "/s/" + text)
    for rest in found.args if found else ():
        assert ".." not in rest.split("/")
        assert "\0" not in rest
