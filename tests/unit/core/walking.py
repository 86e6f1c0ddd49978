"""Steps of a random walk: what may happen to a service, in any order."""

from hypothesis import strategies as st
from msgspec.structs import replace

from kettlingard.core.state import Load
from kettlingard.core.vocabulary import (
    BecameReady,
    Drained,
    Exited,
    Reported,
    Spawned,
    SpawnFailed,
    WatchdogAnswered,
    WatchdogMissed,
)

STEPS = st.sampled_from(
    [
        "spawned", "spawn failed", "ready", "crash", "good end", "said why", "missed", "answered",
        "drained", "update", "retreat", "stop", "start", "scale", "renew", "blocked", "unblocked", "busy", "calm",
        "a moment", "a second", "a while", "an hour",
    ]
)  # fmt: skip


def act(world, step, pick):
    members = list(world.state.members.values())
    chosen = members[pick % len(members)].number if members else 0
    per_run = {
        "spawned": (Spawned,), "spawn failed": (SpawnFailed, "exec", "x"), "ready": (BecameReady,),
        "crash": (Exited, 1, None), "good end": (Exited, 0, None), "said why": (Reported, "why"),
        "missed": (WatchdogMissed,), "answered": (WatchdogAnswered,), "drained": (Drained,),
    }  # fmt: skip
    waits = {"a moment": 0.1, "a second": 1.0, "a while": 30.0, "an hour": 3600.0}
    if step in per_run:
        world.feed(chosen, *per_run[step])
    elif step in waits:
        world.tick(waits[step])
    elif step in {"blocked", "unblocked"}:
        world.around = replace(world.around, may_start=step == "unblocked")
        world.tick()
    elif step in {"busy", "calm"}:
        connections = {"busy": 20 * pick, "calm": 0}[step]
        world.around = replace(world.around, load=Load(connections, world.now, connections))
        world.tick()
    elif step == "renew" and members:
        world.scale(world.state.wanted.instances, renew={members[0].place: chosen})
    elif step == "update":
        world.update()
    elif step == "retreat" and world.state.fallback is not None:
        world.retreat()
    elif step in {"stop", "start", "scale"}:
        world.scale({"stop": 0, "start": 2, "scale": pick % 4}[step])
