"""The runtime `python`: a task's script is Python, run as a process of the worker's host."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager, nullcontext, suppress
from subprocess import DEVNULL, PIPE, STDOUT

from tork_core.errors import TaskFailed
from tork_core.hookspecs import hookimpl
from tork_core.interfaces.provider import RuntimeProvider
from tork_core.settings import Settings, option


class PythonSettings(Settings, prefix="python"):
    program: str = option("python3", help="Interpreter to use.")


class PythonRuntime:
    def __init__(self, program):
        self.program = program

    @asynccontextmanager
    async def prepare(self, execution):
        script, output = execution.scratch() / "script.py", execution.scratch() / "output"
        script.write_text(execution.task.run or "")
        output.touch()

        async def run():
            streams = {"stdin": DEVNULL, "stdout": PIPE, "stderr": STDOUT, "process_group": 0}
            env = {**execution.env, "TORK_OUTPUT": str(output)}
            process = await asyncio.create_subprocess_exec(self.program, script, env=env, **streams)
            try:
                while data := await process.stdout.read(65536):
                    await execution.log.write(data)
                if status := await process.wait():
                    raise TaskFailed(f"exit code {status}", exit_code=status)
            finally:  # When the task is cancelled, too: nothing of it is left.
                for number in (signal.SIGTERM, signal.SIGKILL):
                    with suppress(ProcessLookupError, TimeoutError):
                        os.killpg(process.pid, number)
                        await asyncio.wait_for(process.wait(), execution.grace)
            return output.read_text(errors="replace")[: execution.output_limit]

        yield run

    async def health(self):
        return None


@hookimpl
def tork_runtimes():
    yield RuntimeProvider(
        name="python",
        help="Runs scripts in Python, without isolation.",
        settings=PythonSettings,
        open=lambda settings, environment: nullcontext(PythonRuntime(settings.program)),
        honours=frozenset({"run", "env"}),
    )
