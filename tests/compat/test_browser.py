"""What a browser shows of the examples: a page of docs, events as they come, a chat."""

from __future__ import annotations

import base64
import hashlib
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("websockets", reason="extra 'ws'")
pytest.importorskip("cryptography", reason="extra 'tls'")

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from examples.chat import Chat
from examples.kitten import MyKitten
from examples.web import WebExample
from kettlingar.testing import started

from .browser import Browser, browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")


def test_a_browser_shows_docs_events_and_chat_and_its_console_has_no_complaint(tmp_path):
    """One test, since the browser takes longer to start than all that it is asked."""
    with ExitStack() as stack:
        kitten, web, chat = (
            stack.enter_context(started(*what))
            for what in (
                (MyKitten, ["--purr-interval=0"]),
                (WebExample, ["--purr-interval=0.02"]),
                (Chat,),
            )
        )
        trusted = f"--ignore-certificate-errors-spki-list={pin_of(chat)}"
        it = stack.enter_context(browser(CHROMIUM, tmp_path / "profile", [trusted]))
        the_docs_page_shows_every_method_and_calls_it(it, kitten)
        the_page_of_the_web_example_is_alive(it, web)
        two_people_chat_one_of_them_by_https(it, chat)


def the_docs_page_shows_every_method_and_calls_it(it: Browser, kitten) -> None:
    page = it.page()
    page.go(f"{kitten.private_url}/openapi")
    assert page.text("h1", ".") == "mykitten"
    shown = page.run("[...document.querySelectorAll('section')].map(s => s.id)")
    assert {"meow", "purr", "ping", "help", "quitquitquit"} <= set(shown)
    assert "Purr `count` times" in page.text("#purr", "count: int = 1")

    page.run("document.querySelector('#purr input[name=count]').value = '2'")
    page.run("document.querySelector('#purr button').click()")
    answer = it.opened(r"/purr\?count=2$")
    assert "purrpurr" in answer.text("body", "purrpurr")
    assert page.complaints == []


def the_page_of_the_web_example_is_alive(it: Browser, web) -> None:
    page = it.page()
    page.go(f"{web.url}/")
    assert page.text("#purr", r"purr [3-9]")
    assert page.run("getComputedStyle(document.body).maxWidth") != "none"  # its style sheet came
    page.run("document.querySelector('li a').click()")
    assert "Sleeps on warm things." in page.text("body", "warm")
    assert page.complaints == []


def two_people_chat_one_of_them_by_https(it: Browser, chat) -> None:
    ann, ben = it.page(), it.page()
    ann.go(f"{chat.url}/", prompt="Ann")
    ann.text("#said", "Ann is here")
    ben.go(f"https://localhost:{chat.port}/", prompt="Ben")
    ben.text("#said", "Ben is here")
    ben.type("<b>meow</b>")
    for person in (ann, ben):
        assert "Ben<b>meow</b>" in person.text("#said", "meow").replace("\n", "")
    ann.type("purr")
    ben.text("#said", "Ann.?purr")
    assert chat.proxy.call("who") == ["Ann", "Ben"]
    assert ben.complaints == []
    ben.do("Page.close")
    ann.text("#said", "Ben has left")
    assert ann.complaints == []


def pin_of(served) -> str:
    """By which a browser trusts this key, and no other that is self-signed."""
    config = served.kitten.config
    pem = Path(config.app_state_dir) / f"{config.app_name}.pem"
    key = load_pem_x509_certificate(pem.read_bytes()).public_key()
    told = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(told).digest()).decode()
