"""What the guides of the mix-ins show is true: their services run."""

import re

import pytest

from kettlingar.testing import running
from tests.helpers import ROOT
from tests.integration.runtime.test_serving import get

GUIDES = ROOT / "docs" / "guides"


def service(guide, name):
    (source,) = re.findall(
        r"^```python\n(.*?)^```$", (GUIDES / guide).read_text(), re.MULTILINE | re.DOTALL
    )
    module = {"__name__": "guide"}
    exec(compile(source, guide, "exec"), module)
    return module[name]


def test_the_mill_of_the_metrics_guide_counts(run_async):
    async def main():
        async with running(service("metrics.md", "Mill")) as kitty:
            assert await kitty.client.grind(3) == 3
            text = (await get(kitty, "/metrics?openmetrics=y&host=h1"))[2].decode()
            assert 'sacks_total{grain="rye",host="h1"} 3' in text
            assert 'grain_info{host="h1",value="rye"} 1' in text
            assert "sacks_waiting" not in text
            assert (await kitty.client.metrics())["sack_weight_count"] == 1

    run_async(main())


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("/shop/", 200, b"Welcome"),
        ("/shop/items/soap/", 200, b"Smells of roses."),
        ("/shop/items/beer", 404, b"Not here"),
        ("/shop/search?words=%3Cb%3E&other=1", 200, b"&lt;b&gt;"),
        ("/shop/orders/7/", 404, b"Not here"),
    ],
)
def test_the_shop_of_the_web_guide_has_its_pages(run_async, path, status, shown):
    async def main():
        async with running(service("web.md", "Shop")) as kitty:
            answer = await get(kitty, path)
            assert answer[0] == status
            assert shown in answer[2]
            assert (await kitty.client.item("soap"))["title"] == "soap"

    run_async(main())


def test_the_links_lead_somewhere():
    for guide in ("metrics.md", "web.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (GUIDES / guide).read_text()):
            assert (GUIDES / target).exists(), target
