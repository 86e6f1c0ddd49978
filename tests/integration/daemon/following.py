"""What has happened to a service, as its events tell it."""

import json


def events(one, name):
    """Its last records, oldest first."""
    lines = one.ctl("events", name, "-o", "json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def moves(one, name):
    """(run, the state that it came into), oldest first."""
    return [(event["run"], event["to"]) for event in events(one, name) if event["instance"]]


def states(one, name):
    """The states that its runs came into."""
    return [to for _, to in moves(one, name)]


def log(one, name):
    """What its first instance has written."""
    return (one.home / "log" / f"{name}-1.log").read_text()
