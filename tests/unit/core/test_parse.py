from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.parse import Problem, Source, expand, parse
from kettlingard.core.spec import ServiceSpec

FILE = "/etc/k/services.d/mail.toml"
KITTEN = '[service]\nkitten = "mail.app:Mail"\n'


def read(text, name="mail"):
    return parse(name, [Source(FILE, text)])


def problems(text, name="mail"):
    found = read(text, name)
    assert isinstance(found, list), found
    return [str(problem).removeprefix("/etc/k/services.d/") for problem in found]


def spec(text):
    found = read(text)
    assert isinstance(found, ServiceSpec), found
    return found


def test_one_line_is_a_definition():
    assert spec(KITTEN).service.kitten == "mail.app:Mail"
    assert spec(KITTEN).pool.instances == 1


def test_durations_are_numbers_or_texts():
    found = spec(KITTEN + 'timeout_stop = "1m30s"\ndrain_timeout = 2.5\nwatchdog = "250ms"\n')
    assert found.service.timeout_stop == 90
    assert found.service.drain_timeout == 2.5
    assert found.service.watchdog == 0.25


def test_relative_paths_count_from_the_definitions_folder():
    found = spec(KITTEN + 'python_path = [".."]\nenvironment_file = ["-x.env", "/y.env"]\n')
    assert found.service.python_path == ("/etc/k",)
    assert found.service.environment_file == ("-/etc/k/services.d/x.env", "/y.env")


def test_an_unknown_key_is_named_with_its_place_and_the_nearest_known_one():
    assert problems(KITTEN + 'restrat = "no"\n') == [
        "mail.toml:3:1: service.restrat: unknown key; did you mean service.restart?"
    ]


def test_foreign_words_are_translated():
    assert "did you mean service.restart?" in problems(KITTEN + "autorestart = true\n")[0]
    assert "did you mean dependencies.requires?" in problems('depends_on = ["x"]\n' + KITTEN)[0]
    assert "did you mean pool.instances?" in problems(KITTEN + "[pool]\nnumprocs = 3\n")[0]


def test_all_problems_of_a_file_come_at_once_in_order_of_lines():
    text = '[service]\nkitten = "nocolon"\nrestart = "sometimes"\n\n[pool]\ninstances = "many"\n'
    assert problems(text) == [
        'mail.toml:2:1: service.kitten: "nocolon" is not of the form "module:Class"',
        'mail.toml:3:1: service.restart: "sometimes" is not one of always, on-failure, no',
        'mail.toml:6:1: pool.instances: "many" is not a whole number',
    ]


def test_a_missing_kitten_is_said_at_its_table():
    assert problems("[service]\nnice = 3\n") == [
        'mail.toml:1:1: service.kitten: is missing; write kitten = "module:Class"'
    ]


def test_what_means_nothing_where_workers_accept_by_themselves_is_refused():
    shared = '[[listen]]\nname = "a"\nstream = "[::]:1"\ndispatch = "share"\n'
    assert problems(KITTEN + shared + "max_held = 3\n[pool]\nmin_instances = 0\n") == [
        'mail.toml:7:1: listen[0].max_held: means nothing with dispatch = "share"; remove it',
        'mail.toml:9:1: pool.min_instances: needs dispatch = "pass", but listener a is shared',
    ]


def test_who_may_introduce_clients_is_said_by_networks():
    proxied = '[[listen]]\nname = "a"\nstream = "[::]:1"\nproxy_protocol = true\n'
    assert spec(KITTEN + proxied).listen[0].proxy_from == ("127.0.0.0/8", "::1/128")
    one = spec(KITTEN + proxied + 'proxy_from = ["10.0.0.0/8", "192.0.2.7"]\n').listen[0]
    assert one.proxy_from == ("10.0.0.0/8", "192.0.2.7/32")
    [problem] = problems(KITTEN + proxied + 'proxy_from = ["10.0.0.1/8"]\n')
    assert 'is not an address or a network such as "10.0.0.0/8"' in problem


def test_a_module_to_preload_is_given_by_its_name():
    assert problems(KITTEN + '[pool]\npreload = ["a.b", "a-b.py"]\n') == [
        'mail.toml:4:1: pool.preload: "a-b.py" is not the name of a module'
    ]


def test_a_program_has_a_command_and_a_kitten_a_class():
    program = '[service]\ntype = "simple"\n'
    assert spec(program + 'exec = ["redis-server", "--save"]\n').service.exec[1] == "--save"
    assert problems(program) == [
        'mail.toml:1:1: service.exec: is missing; write exec = ["program", "argument"]'
    ]
    assert problems(program + "exec = []\n") == [
        'mail.toml:3:1: service.exec: this command is empty; write ["program", "argument"]'
    ]
    assert "is for programs that are no kittens" in problems(KITTEN + 'exec = ["x"]\n')[0]


def test_as_many_instances_as_processors_inside_of_the_bounds():
    pool = spec(KITTEN + '[pool]\ninstances = "auto"\n').pool
    assert pool.resolved(6).instances == 6
    bounded = spec(KITTEN + '[pool]\ninstances = "auto"\nmin_instances = 2\nmax_instances = 4\n')
    assert [bounded.pool.resolved(n).instances for n in (1, 3, 8)] == [2, 3, 4]
    assert spec(KITTEN).pool.resolved(6).instances == 1
    [problem] = problems(KITTEN + '[pool]\ninstances = "all"\n')
    assert "is not a whole number" in problem


def test_keys_of_a_listener_that_mean_nothing_for_its_address_are_refused():
    tcp = '[[listen]]\nname = "a"\nstream = "[::]:1"\nsocket_mode = "0600"\nfreebind = true\n'
    path = '[[listen]]\nname = "b"\nstream = "/b.sock"\nsocket_user = "x"\nipv6_only = true\n'
    assert [problem.split(": ", 1)[1] for problem in problems(KITTEN + tcp + path)] == [
        "listen[0].socket_mode: means nothing for host:port; remove it",
        "listen[1].ipv6_only: means nothing for a path; remove it",
    ]


def test_keys_that_mean_nothing_to_a_program_are_refused():
    text = '[service]\ntype = "notify"\nexec = ["x"]\npython_path = ["."]\n[config]\na = 1\n'
    listener = '[[listen]]\nname = "a"\nstream = ":1"\nbalance = "least"\n'
    found = problems(text + listener.replace(":1", "[::]:1"))
    assert [problem.split(" ", 2)[1] for problem in found] == [
        "service.python_path:", "config:", "listen[0].balance:",
    ]  # fmt: skip
    assert all("means nothing to a program of type notify" in problem for problem in found)


def test_the_name_belongs_to_the_file():
    assert problems('name = "x"\n' + KITTEN) == [
        "mail.toml:1:1: name: the file's name is the service's name"
    ]
    assert "cannot name a service" in problems(KITTEN, name="Mail.1")[0]


def test_broken_toml_says_where():
    assert problems('[service]\nkitten = "a:B\n')[0].startswith("mail.toml:2:14: this is not TOML")


def test_deep_nesting_is_a_problem_of_the_file_not_of_the_daemon():
    assert "not TOML" in problems("a = " + "[" * 100_000)[0]


def test_settings_that_the_daemon_owns_are_refused():
    text = KITTEN + "[config]\nworker_listen_port = 1\napp_state_dir = '/x'\ncolour = 'red'\n"
    assert [line.split(": ")[1] for line in problems(text)] == [
        "config.worker_listen_port",
        "config.app_state_dir",
    ]


def test_the_environment_is_texts_and_not_the_daemons_own():
    text = KITTEN + "[environment]\nA = 'x'\nB = 1\nKETTLINGARD_RUN = 'x'\n"
    assert [line.split(": ")[1] for line in problems(text)] == [
        "environment.B",
        "environment.KETTLINGARD_RUN",
    ]


def test_listen_has_a_short_and_a_long_form():
    text = KITTEN + 'listen = ["127.0.0.1:80"]\n[[listen]]\nname = "web"\nstream = "[::]:81"\n'
    assert spec(text).listen == (
        ListenerSpec(name="web", stream="[::]:81"),
        ListenerSpec(name="127.0.0.1:80", stream="127.0.0.1:80"),
    )


def test_a_listeners_problem_names_its_number_and_line():
    text = (
        KITTEN + '[[listen]]\nname = "a"\nstream = "x:1"\n[[listen]]\nname = "a"\nstream = "::1"\n'
    )
    assert problems(text) == [
        "mail.toml:7:1: listen[1].name: this name is taken by another listener",
        'mail.toml:8:1: listen[1].stream: "::1" is not "host:port", "[::]:port" or "/path.sock"',
    ]


def test_bad_ports_are_named():
    assert "65536" in problems(KITTEN + 'listen = ["localhost:65536"]\n')[0]


def test_access_rules_are_checked():
    text = KITTEN + '[access]\ncall = ["gid:editors", "joe"]\n'
    assert problems(text)[0].startswith('mail.toml:4:1: access.call: "joe" is not a rule')


def test_a_table_that_is_no_table_is_said_so():
    assert problems("pool = 3\n" + KITTEN) == [
        "mail.toml:1:1: pool: 3 is not a table: write [pool]"
    ]


def test_drop_ins_lie_over_the_file_and_keep_their_own_places():
    drop_in = "/etc/k/services.d/mail.toml.d/more.toml"
    found = parse("mail", [Source(FILE, KITTEN + "nice = 1\n"), Source(drop_in, "service.nice=2")])
    assert isinstance(found, ServiceSpec)
    assert (found.service.nice, found.service.kitten) == (2, "mail.app:Mail")
    wrong = parse("mail", [Source(FILE, KITTEN), Source(drop_in, "\nservice.nice='x'")])
    assert isinstance(wrong[0], Problem)
    assert (wrong[0].file, wrong[0].line) == (drop_in, 2)


def test_exit_statuses_take_signals_names():
    found = spec(KITTEN + 'success_exit_status = [0, "SIGTERM"]\n')
    assert found.service.success_exit_status == (0, -15)


def test_percent_i_and_n_are_the_only_expansion():
    config = {"a": "%n-%i", "b": ["x%i"], "c": 3, "d": {"e": "50%"}}
    assert expand(config, "mail", 2) == {"a": "mail-2", "b": ["x2"], "c": 3, "d": {"e": "50%"}}
