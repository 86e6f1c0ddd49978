"""A chat room: everybody who has the page open reads what anybody types.

python3 -m examples.chat serve --worker-listen-port=8080 &
xdg-open http://127.0.0.1:8080/
python3 -m examples.chat stop

The page is over https too, at the same port (its certificate is self-signed).
"""

from __future__ import annotations

from typing import Annotated, Any

from kettlingar import BadRequest, HttpResult, RequestInfo, RPCKitten
from kettlingar.tlskitten import TLSKitten
from kettlingar.websocket import WebSocket, WebSocketOptions

PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>chat</title>
<style>
  body { font: 16px sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em }
  #said { list-style: none; padding: 0 } #said b { margin-right: .5em }
  input { font: inherit; width: 100%; box-sizing: border-box; padding: .4em }
</style>
<h1>chat</h1>
<ul id="said"></ul>
<form><input id="text" autocomplete="off" placeholder="say something" disabled></form>
<script>
  const name = prompt("Your name?") || "somebody";
  const said = document.getElementById("said"), text = document.getElementById("text");
  const url = new URL("chat?name=" + encodeURIComponent(name), location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const ws = new WebSocket(url);
  function show(who, what) {
    const line = said.appendChild(document.createElement("li"));
    line.appendChild(document.createElement("b")).textContent = who;
    line.append(what);
  }
  ws.onopen = () => { text.disabled = false; text.focus(); };
  ws.onmessage = (event) => { const m = JSON.parse(event.data); show(m.who, m.what); };
  ws.onclose = (event) => { text.disabled = true; show("", "closed: " + (event.reason || event.code)); };
  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    if (text.value) ws.send(text.value);
    text.value = "";
  };
</script>
"""

ChatSocket = Annotated[WebSocket, WebSocketOptions(max_size=2_000)]


class Chat(RPCKitten, TLSKitten):
    """chat - a room for everybody who can reach it"""

    class Configuration(RPCKitten.Configuration, TLSKitten.Configuration):
        APP_NAME = "chat"
        WORKER_NAME = "Chat"
        # Pages of other sites stay out.
        WORKER_ALLOWED_HOSTS: list[str] = ["localhost", "127.0.0.1", "::1"]  # noqa: RUF012  a default
        TLS_CERT = TLSKitten.SELF_SIGNED
        CHAT_SEATS = 100

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.room: dict[WebSocket, str] = {}

    async def public_api_web_root(self, _request: RequestInfo) -> HttpResult:
        """The page."""
        return HttpResult("text/html; charset=utf-8", PAGE)

    async def public_api_chat(self, _request: RequestInfo, name: str, ws: ChatSocket) -> None:
        """The room: each text that comes is told to everybody in it."""
        if not 0 < len(name) <= 40:
            raise BadRequest("cannot enter: a name has 1 to 40 characters")
        if len(self.room) >= self.config.chat_seats:
            raise BadRequest("cannot enter: the room is full")
        await ws.accept()
        self.room[ws] = name
        self.tell("", f"{name} is here")
        try:
            async for message in ws:
                if isinstance(message, str):
                    self.tell(name, message)
        finally:
            del self.room[ws]
            self.tell("", f"{name} has left")

    async def api_who(self, _request: RequestInfo) -> list[str]:
        """Who is in the room."""
        return sorted(self.room.values())

    def tell(self, who: str, what: str) -> None:
        """Tell everybody; whoever reads too slowly misses it, and holds up nobody."""
        for ws in list(self.room):
            ws.offer({"who": who, "what": what})


if __name__ == "__main__":
    Chat.Main()
