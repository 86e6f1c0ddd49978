"""Words that people bring from other tools, and words that later versions will have."""

from __future__ import annotations

# what they type -> (what to type here, or "" and a sentence)
FOREIGN: dict[str, tuple[str, str]] = {
    # systemctl
    "list-units": ("status", ""),
    "is-active": ("status SERVICE", ""),
    "is-failed": ("status --failed", ""),
    "cat": ("show SERVICE", ""),
    "daemon-reload": ("", "it is not needed: kettlingar ctl restart SERVICE reads its file again"),
    "try-restart": ("restart SERVICE", ""),
    "list-dependencies": ("deps SERVICE", ""),
    "mask": ("disable SERVICE", ""),
    # supervisorctl
    "avail": ("status", ""),
    "reread": ("plan", ""),
    "update": ("apply", ""),
    "tail": ("logs SERVICE -f", ""),
    "maintail": ("logs", ""),
    "fg": ("logs SERVICE -f", ""),
    "pid": ("status SERVICE", ""),
    "signal": ("kill SERVICE -s SIGNAL", ""),
    "clear": ("", "it is not needed: logs are rotated, never cleared"),
    "shutdown": ("daemon shutdown", ""),
    # pm2
    "ls": ("status", ""),
    "list": ("status", ""),
    "monit": ("top", ""),
    "describe": ("status SERVICE", ""),
    "info": ("status SERVICE", ""),
    "save": ("", "it is not needed: what was started or stopped is remembered"),
    "startup": ("kettlingard unit", "here it is: kettlingard unit"),
    "delete": ("disable SERVICE --now", ""),
    "flush": ("", "it is not needed: logs are rotated, never cleared"),
    # docker, compose, kubectl
    "up": ("kettlingard up", "here it is: kettlingard up"),
    "down": ("daemon shutdown", ""),
    "run": ("kettlingar run", "here it is: kettlingar run MODULE:CLASS"),
    "inspect": ("show SERVICE", ""),
    "get": ("status", ""),
    "rollout": ("restart SERVICE", ""),
    "undo": ("rollback SERVICE", ""),
    "stats": ("top", ""),
    "port": ("sockets SERVICE", ""),
}
