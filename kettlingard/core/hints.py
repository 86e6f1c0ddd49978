"""What people write who come from elsewhere, and what they mean by it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# Words of supervisord, pm2, systemd, docker, kubernetes, circus -> what to say
FOREIGN = {
    "autorestart": "service.restart",
    "autostart": "service.enabled",
    "numprocs": "pool.instances",
    "replicas": "pool.instances",
    "instances": "pool.instances",
    "startsecs": "service.stable_after",
    "startretries": "service.start_limit_burst",
    "stopwaitsecs": "service.timeout_stop",
    "stopsignal": "service.kill_signal",
    "kill_timeout": "service.timeout_stop",
    "max_memory_restart": "pool.recycle_memory",
    "max_requests": "pool.recycle_requests",
    "execstart": 'service.exec, a list of texts, with type = "simple" or "notify"',
    "command": 'service.exec, a list of texts, with type = "simple" or "notify"',
    "cmd": 'service.exec, a list of texts, with type = "simple" or "notify"',
    "module": "service.kitten",
    "class": "service.kitten",
    "interpreter": "service.python",
    "pythonpath": "service.python_path",
    "depends_on": "dependencies.requires",
    "requires": "dependencies.requires",
    "after": "dependencies.after",
    "wants": "dependencies.wants",
    "directory": "service.working_directory",
    "cwd": "service.working_directory",
    "workingdirectory": "service.working_directory",
    "env": "the table [environment]",
    "env_file": "service.environment_file",
    "environmentfile": "service.environment_file",
    "port": "service.listen",
    "ports": "service.listen",
    "bind": "service.listen",
    "restartsec": "service.restart_delay",
    "timeoutstartsec": "service.timeout_start",
    "timeoutstopsec": "service.timeout_stop",
    "watchdogsec": "service.watchdog",
    "limitnofile": "resources.limit_nofile",
    "priority": "dependencies.after",
    "loglevel": "log.level",
    "stdout_logfile": "nothing: each instance has its log file",
    "pidfile": "nothing: no pid file is needed",
}


def hint(name: str, table: str, known: Iterable[str]) -> str:
    """What to do about the unknown key `table.name`; "" where nothing comes to mind.

    `known` are the dotted names of all keys.
    """
    foreign = FOREIGN.get(name.lower().replace("-", "_"))
    known = list(known)
    if name.lower() in known and not table:
        return f"did you mean the table [{name.lower()}]?"
    if foreign is not None:
        return f"did you mean {foreign}?"
    dotted = f"{table}.{name}" if table else name
    near = get_close_matches(dotted, known, n=1, cutoff=0.75)
    return f"did you mean {near[0]}?" if near else ""
