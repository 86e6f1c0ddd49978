from kettlingar.cli.ctl_find import SYSTEM, candidates, nobody_answers


def find(environ=(), there=(), socket=None, home=None):
    return candidates(
        socket=socket, home=home, environ=dict(environ), exists=lambda path: path in there
    )


def test_what_somebody_names_is_the_only_place():
    environ = {"KETTLINGARD_SOCKET": "/env.sock", "XDG_RUNTIME_DIR": "/run/user/1"}
    assert find(environ, socket="a.sock", home="h") == ["a.sock"]
    assert find(environ, home="h/") == ["h/run/control.sock"]
    assert find(environ) == ["/env.sock"]


def test_the_users_own_comes_before_the_systems_where_it_exists():
    environ = {"XDG_RUNTIME_DIR": "/run/user/1", "HOME": "/home/me"}
    mine = "/run/user/1/kettlingard/control.sock"
    assert find(environ, there=[mine]) == [mine, SYSTEM]
    assert find(environ) == [SYSTEM]


def test_without_a_runtime_folder_the_users_own_is_below_the_state_folder():
    mine = "/home/me/.local/state/kettlingard/run/control.sock"
    assert find({"HOME": "/home/me"}, there=[mine]) == [mine, SYSTEM]


def test_when_nobody_answers_the_message_lists_what_was_tried():
    said = nobody_answers([("/a", "no such file"), ("/b", "refused")])
    assert "/a: no such file" in said
    assert "/b: refused" in said
    assert "kettlingard up" in said
