"""What a process is doing now, as text: the stacks of its threads and of its tasks."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import traceback


def stacks() -> str:
    """All threads, then all tasks of the running loop."""
    out = io.StringIO()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for number, frame in sys._current_frames().items():  # noqa: SLF001  the documented way to them
        out.write(f"thread {names.get(number, number)}\n")
        out.writelines(traceback.format_stack(frame))
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        out.write(f"task {task.get_name()}: {getattr(task.get_coro(), '__qualname__', task)}\n")
        for frame in task.get_stack():
            out.writelines(traceback.format_stack(frame, 1))
    return out.getvalue()
