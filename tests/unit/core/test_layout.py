from kettlingard.core.layout import home_layout, system_layout, user_layout


def test_a_home_holds_everything():
    found = home_layout("/x")
    assert (found.socket, found.state, found.log) == ("/x/run/control.sock", "/x/state", "/x/log")
    assert found.services == ("/x/services.d",)


def test_a_user_has_the_xdg_directories():
    environ = {"XDG_RUNTIME_DIR": "/run/user/1", "XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c"}
    found = user_layout(environ, "/home/u")
    assert found.socket == "/run/user/1/kettlingard/control.sock"
    assert (found.state, found.log) == ("/s/kettlingard", "/s/kettlingard/log")
    assert found.services == ("/c/kettlingard/services.d",)


def test_without_a_runtime_directory_the_socket_is_below_the_state():
    found = user_layout({"XDG_STATE_HOME": "relative"}, "/home/u")
    assert found.run == "/home/u/.local/state/kettlingard/run"
    assert "--socket" in found.ctl


def test_the_system_has_the_machines_directories():
    assert system_layout().socket == "/run/kettlingard/control.sock"
