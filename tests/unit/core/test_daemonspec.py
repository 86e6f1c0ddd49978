from kettlingard.core.daemonspec import DaemonSpec, parse_daemon
from kettlingard.core.parse import parse
from kettlingard.core.reading import Source

FILE = "/etc/k/kettlingard.toml"
TEXT = """
[daemon]
timeout_stop = "2m"
control_mode = "0600"
state_directory = "state"

[defaults.log]
level = "debug"

[defaults.service]
python_path = ["lib"]

[[defaults.listen]]
name = "debug"
stream = "127.0.0.1:1"
"""


def read(text):
    return parse_daemon(Source("/etc/k/kettlingard.toml", text))


def wrong(text):
    found = read(text)
    assert isinstance(found, list)
    return [str(problem) for problem in found]


def service(text, *more, defaults=TEXT):
    spec = read(defaults)
    return parse("x", [spec.defaults, Source("/s/x.toml", text), *more])


def test_the_supervisors_own_keys():
    keys = read(TEXT).daemon
    assert (keys.timeout_stop, keys.control_mode) == (120.0, 0o600)
    assert keys.state_directory == "/etc/k/state"


def test_an_empty_file_says_nothing():
    assert read("") == DaemonSpec("/etc/k/kettlingard.toml")


def test_all_that_is_wrong_is_said_at_once_with_its_place():
    assert wrong("[daemon]\ntimeout_sotp = 3\n[defaults.log]\nlevel = 'loud'\n[servces]\n") == [
        f"{FILE}:2:1: daemon.timeout_sotp: unknown key; did you mean daemon.timeout_stop?",
        f'{FILE}:4:1: log.level: "loud" is not one of debug, info, warning, error, critical',
        f"{FILE}:5:1: servces: unknown key",
    ]
    assert "this is not TOML" in wrong("[daemon")[0]
    assert "is not a table" in wrong("daemon = 3")[0]


def test_shared_listeners_have_names_of_their_own_and_are_accepted_from_by_nobody_else():
    public = '[[listen]]\nname = "public"\nstream = "[::]:80"\n'
    [one] = read(public + 'head_timeout = "3s"\nmax_head = "4K"\n').listen
    assert (one.stream, one.head_timeout, one.max_head) == ("[::]:80", 3.0, 4096)
    [repeated] = wrong(public + public)
    assert repeated.endswith("listen[1].name: this name is taken by another listener")
    assert "nobody else can accept" in wrong(public + 'dispatch = "share"\n')[0]
    assert "a header would stand before" in wrong(public + "proxy_protocol = true\n")[0]


def test_defaults_lie_under_a_definition_and_say_where_they_are():
    spec = service('[service]\nkitten = "a:B"\n')
    assert spec.log.level == "debug"
    assert spec.origins["log.level"] == ("/etc/k/kettlingard.toml", (8, 1))
    assert spec.file == "/s/x.toml"
    assert service('[service]\nkitten = "a:B"\n[log]\nlevel = "error"\n').log.level == "error"


def test_paths_of_defaults_count_from_their_own_folder_and_those_of_drop_ins_from_the_definitions():
    spec = service(
        '[service]\nkitten = "a:B"\n',
        Source("/s/x.toml.d/1.toml", '[service]\nworking_directory = "w"\n'),
    )
    assert spec.service.python_path == ("/etc/k/lib",)
    assert spec.service.working_directory == "/s/w"


def test_an_array_is_replaced_with_all_that_was_in_it():
    spec = service('[service]\nkitten = "a:B"\n[[listen]]\nname = "b"\nstream = "127.0.0.1:2"\n')
    assert [one.name for one in spec.listen] == ["b"]
    assert spec.origins["listen[0].stream"] == ("/s/x.toml", (5, 1))


def test_a_problem_of_the_definition_is_shown_there_though_a_table_is_also_elsewhere():
    [problem] = service("[service]\n", Source("/s/x.toml.d/1.toml", "[service]\nnice = 1\n"))
    assert str(problem).startswith("/s/x.toml:1:1: service.kitten: is missing")
