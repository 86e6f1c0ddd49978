from kettlingard.core.check import check_together
from kettlingard.core.parse import Source, parse


def specs(**tables):
    return {
        name: parse(name, [Source(f"/d/{name}.toml", f'service.kitten = "a:B"\n{table}')])
        for name, table in tables.items()
    }


def problems(**tables):
    found = check_together(specs(**tables))
    return {name: [str(problem) for problem in of] for name, of in found.items()}


def test_a_missing_requirement_is_named_with_its_line():
    assert problems(web='[dependencies]\nrequires = ["db"]') == {
        "web": [
            '/d/web.toml:3:1: dependencies.requires: there is no service "db"; add its definition, or remove it here'
        ]
    }


def test_what_is_only_wanted_need_not_exist():
    assert problems(web='[dependencies]\nwants = ["db"]\nafter = ["x"]') == {}


def test_a_circle_is_a_problem_of_each_in_it_and_of_nobody_else():
    found = problems(
        a='dependencies.requires = ["b"]',
        b='dependencies.after = ["a"]',
        c='dependencies.after = ["a"]',
    )
    assert sorted(found) == ["a", "b"]
    assert "a -> b -> a" in found["a"][0]
