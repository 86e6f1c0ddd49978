from prometheus_client.openmetrics.parser import text_string_to_metric_families as read

from kettlingard.core.pages import merged, page

HTTP = """# TYPE http counter
# HELP http requests
http_total{method="a b",code="200"} 3.0
http_total{} 4.0
# TYPE start_time gauge
start_time 12
# EOF
"""


def samples(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in read(text)
        for sample in family.samples
    }


def test_two_instances_are_one_page_with_a_label_for_each():
    found = samples(merged([({"instance": "1"}, HTTP), ({"instance": "2"}, HTTP)]))
    method = (("code", "200"), ("instance", "1"), ("method", "a b"))
    assert found["http_total", method] == 3
    assert found["http_total", (("instance", "2"),)] == 4
    assert found["start_time", (("instance", "2"),)] == 12
    assert len(found) == 6


def test_a_page_of_ones_own_is_read_by_the_parser():
    text = page([
        ("kettlingard_restarts", "counter", "ends", [({"service": 'x"y'}, 2)]),
        ("kettlingard_up", "gauge", "runs", [({}, 1)]),
    ])  # fmt: skip
    assert samples(text) == {
        ("kettlingard_restarts_total", (("service", 'x"y'),)): 2,
        ("kettlingard_up", ()): 1,
    }


def test_no_page_is_an_empty_page():
    assert merged([]) == "# EOF\n"
