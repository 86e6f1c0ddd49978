from kettlingar.cli.ctl_trees import (
    busiest,
    critical_chain,
    definition,
    forest,
    socket_rows,
    tree,
)


def needs(name, ready=None, started=None, **kinds):
    empty = dict.fromkeys(("requires", "binds_to", "wants", "after", "part_of"), ())
    return {
        "name": name,
        "state": "ready",
        "ready_at": ready,
        "started_at": started,
        **empty,
        **kinds,
    }


ALL = [
    needs("web", 13.0, 12.5, requires=["db"], after=["cache"]),
    needs("db", 12.4, 10.5, requires=["disk"]),
    needs("cache", 10.2, 10.0),
    needs("disk", 10.5, 10.0),
]


def test_a_tree_says_how_each_is_needed():
    assert tree(ALL, "web") == [
        "web  ready",
        "  cache  ready  (after)",
        "  db  ready  (requires)",
        "    disk  ready  (requires)",
    ]


def test_the_reverse_tree_says_who_needs_it():
    assert tree(ALL, "disk", reverse=True) == [
        "disk  ready",
        "  db  ready  (requires)",
        "    web  ready  (requires)",
    ]


def test_a_forest_begins_with_those_that_nobody_needs():
    assert forest(ALL)[0] == "web  ready"
    assert len(forest(ALL)) == 4


def test_a_circle_and_a_missing_service_are_drawn_and_end():
    circle = [needs("a", requires=["b"]), needs("b", requires=["a", "nowhere"])]
    assert tree(circle, "a")[-1] == "    nowhere  not there  (requires)"


def test_the_critical_chain_follows_who_was_ready_last():
    assert critical_chain(ALL, "web") == [
        "web  @3.000s +0.500s",
        "  db  @2.400s +1.900s",
        "    disk  @0.500s +0.500s",
    ]
    assert critical_chain([needs("x")], "x") == ["x  ready"]


def test_a_definition_is_toml_with_origins_if_wanted():
    said = {
        "file": "/s/x.toml",
        "generation": 2,
        "keys": [
            {"table": "service", "key": "nice", "value": "0", "origin": "default"},
            {"table": "resources", "key": "limit_core", "value": "", "origin": "default"},
            {"table": "[listen]", "key": "name", "value": '"a"', "origin": "/s/x.toml:1:1"},
            {"table": "[listen]", "key": "name", "value": '"b"', "origin": "/s/x.toml:2:1"},
        ],
    }
    assert definition(said, origin=False) == [
        "# /s/x.toml, generation 2", "", "[service]", "nice = 0", "", "[resources]",
        "# limit_core =", "", "[[listen]]", 'name = "a"', "", "[[listen]]", 'name = "b"',
    ]  # fmt: skip
    assert definition(said, origin=True)[3] == "nice = 0                                  # default"


def test_counts_stand_beside_the_first_listener():
    listener = {
        "name": "http", "address": "127.0.0.1:80", "dispatch": "pass", "held": 1, "queued": 0,
        "backlog": 1024,
    }  # fmt: skip
    one = {
        "name": "web", "listeners": [listener, {**listener, "queued": None}], "problem": "",
        "in_flight": 2, "passed": 3, "redispatched": 4, "answered_503": 5, "lost": 6,
    }  # fmt: skip
    lines = [" ".join(line.split()) for line in socket_rows([one])]
    assert lines[1] == "web pass 1 0/1024 2 3 4 5 6 127.0.0.1:80 (http)"
    assert lines[2] == "web pass 1 - 127.0.0.1:80 (http)"


def test_the_busiest_process_comes_first():
    def run(pid, cpu):
        return {
            "instance": 1, "pid": pid, "state": "ready", "cpu": cpu, "memory": 2048, "lag": 0.001,
            "in_flight": 0, "served": 5, "uptime": 61,
        }  # fmt: skip

    services = [
        {"name": "calm", "instances": [run(1, 0.5), {"instance": 2, "pid": None}]},
        {"name": "busy", "instances": [run(2, 80)]},
    ]
    assert [line.split()[0] for line in busiest(services)] == ["INSTANCE", "busy/1", "calm/1"]
