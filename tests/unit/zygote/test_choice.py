"""Which zygote may fork a process, and when none may."""

import pytest

from kettlingard.zygote.choice import MAX_ENVIRONMENT, NO_LIMIT, Wish, kind_of, why_exec

ENV = {"PATH": "/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
NOFILE = 7


def why(hard=4096, **wish):
    return why_exec(Wish(**{"env": ENV, **wish}), ENV, {NOFILE: hard})


def test_an_ordinary_process_is_forked():
    assert why(env={**ENV, "TZ": "Asia/Tokyo", "HOME": "/srv", "KETTLINGARD_RUN": "x"}) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD", "LC_ALL", "LANG", "MALLOC_ARENA_MAX"),
        *("OPENSSL_CONF", "GLIBC_TUNABLES"),
    ],
)
def test_what_an_interpreter_reads_at_its_start_needs_a_fresh_one(name):
    assert why(env={**ENV, name: "other"}) == f"the environment sets {name}"


def test_a_variable_that_is_passed_on_unchanged_changes_nothing():
    assert why(env=dict(ENV)) == ""


def test_a_variable_that_only_the_zygote_has_counts_too():
    assert "LANG" in why(env={"PATH": "/bin", "PYTHONUNBUFFERED": "1"})


def test_a_name_that_only_begins_alike_is_another_name():
    assert why(env={**ENV, "LANGUAGE_SERVER": "x", "LDAP": "x", "MALLOC": "x"}) == ""


def test_an_environment_too_large_for_a_packet_goes_by_exec():
    assert "bytes" in why(env={**ENV, "BIG": "x" * MAX_ENVIRONMENT})


def test_with_the_daemons_own_rights_any_limit_may_be_tried():
    assert why(rlimits=[(NOFILE, 8192, 8192)], nice=-5, oom_score_adjust=-100) == ""


@pytest.mark.parametrize(
    "wish",
    [
        {"nice": -1},
        {"oom_score_adjust": -1},
        {"rlimits": [(NOFILE, 10, 8192)]},
        {"rlimits": [(NOFILE, 10, NO_LIMIT)]},
    ],
)
def test_what_needs_root_after_the_zygote_gave_it_up_goes_by_exec(wish):
    assert "root" in why(own_ids=True, **wish)


def test_what_any_user_may_do_is_forked_for_other_users_too():
    assert why(own_ids=True, nice=5, oom_score_adjust=9, rlimits=[(NOFILE, 10, 4096)]) == ""


def test_no_limit_at_all_is_above_nothing():
    assert why(hard=NO_LIMIT, own_ids=True, rlimits=[(NOFILE, 10, NO_LIMIT)]) == ""


def test_zygotes_are_shared_by_those_that_want_the_same():
    ids = (1000, 1000, (4,))
    same = [kind_of("/usr/bin/python3", ids, ["json"], ["/srv"]) for _ in range(2)]
    assert len(set(same)) == 1


@pytest.mark.parametrize(
    "other",
    [
        ("/opt/python3", None, ["json"], ["/srv"]),
        ("/usr/bin/python3", (1, 1, ()), ["json"], ["/srv"]),
        ("/usr/bin/python3", None, ["json", "csv"], ["/srv"]),
        ("/usr/bin/python3", None, ["json"], ["/opt"]),
    ],
)
def test_whoever_differs_has_another(other):
    assert kind_of(*other) != kind_of("/usr/bin/python3", None, ["json"], ["/srv"])


def test_where_nothing_is_preloaded_the_folders_make_no_difference():
    assert kind_of("python3", None, (), ["/srv"]) == kind_of("python3", None, (), ["/opt"])
