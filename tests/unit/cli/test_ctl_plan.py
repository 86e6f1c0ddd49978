from kettlingar.cli.ctl_plan import planned


def step(mark, name, does, changes=(), problems=()):
    return {"mark": mark, "name": name, "does": does, "changes": changes, "problems": problems}


def test_each_key_each_problem_and_each_new_service_is_a_line():
    change = {"key": "log.level", "text": "a -> b", "does": "live"}
    lines = planned([
        step("~", "blog", "live", [change]),
        step("+", "news", "start 1"),
        step("!", "search", "kept as is", problems=["search.toml:9:1: unknown key"]),
    ])  # fmt: skip
    assert [line.split() for line in lines] == [
        ["~", "blog", "log.level", "a", "->", "b", "live"],
        ["+", "news", "start", "1"],
        ["!", "search", "search.toml:9:1:", "unknown", "key", "(kept", "as", "is)"],
    ]


def test_nothing_to_do_is_no_line():
    assert planned([]) == []
