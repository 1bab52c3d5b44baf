"""The rules beyond the shape: each with what breaks it, and what only just keeps to it."""

from __future__ import annotations

import pytest

from tork_core.errors import InvalidJob
from tork_core.model.problems import path_text
from tork_core.model.reading import check_job
from tork_core.model.rules import job_problems
from tork_core.model.shape import shape_job
from tork_core.model.source import Source
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.yaml_reader import read_yaml


def problems(job: str) -> list[str]:
    """Return what the rules alone say of a job, whether or not its fields work yet."""
    root = read_yaml(Source(job))
    assert root is not None
    spec, wrong = shape_job(root)
    assert spec is not None, wrong
    return [f"{path_text(p.path)}: {p.message}" for p in job_problems(spec)]


def of_job(fields: str) -> list[str]:
    return problems(f"{{tasks: [{{run: x}}], {fields}}}")


def of_task(fields: str) -> list[str]:
    return problems(f"tasks: [{{run: x, {fields}}}]")


def of_composite(fields: str) -> list[str]:
    return problems(f"tasks: [{{{fields}}}]")


LONG = "a" * 257

JOB_ACCEPTED = [
    f"name: {LONG[:256]}",
    f"name: {'é' * 256}",
    "defaults: {retry: {limit: 10}, limits: {cpus: .5, memory: 1G}, timeout: 1h30m, priority: 0}",
    "defaults: {queue: fast}",
    "webhooks: [{url: 'https://example.com/x', event: task.Progress}, {url: '{{ inputs.u }}'}]",
    "webhooks: [{url: 'http://example.com', event: ''}]",
    "permissions: [{user: ann}, {role: admins}]",
    "autoDelete: {after: 24h}",
    "wait: {timeout: 30s}",
    "schedule: {cron: '0 2 * * 1-5'}",
    "schedule: {cron: '@hourly'}",
]

TASK_ACCEPTED = [
    f"name: {LONG[:256]}",
    f"name: '{{{{ inputs.name }}}}{LONG}'",
    f"var: {LONG[:64]}",
    f"var: '{{{{ inputs.var }}}}{LONG}'",
    "queue: transcoding",
    f"queue: {LONG[:255]}",
    "queue: '{{ inputs.queue }}'",
    "queue: 'fast-{{ inputs.queue }}'",
    "queue: 'job'",
    "queue: 'X-1'",
    "env: {A-B.C: 1, a b: 2}",
    "priority: 9",
    "priority: 0",
    "retry: {limit: 1, initialDelay: 500ms, scalingFactor: 1.5}",
    "timeout: 300ms",
    "limits: {cpus: '2.', memory: 1b}",
    "volumes: [/tmp, /data/x, /torkel, /a..b]",
    "mounts: [{type: volume, target: /v}, {type: bind, source: '/a b_=1', target: /x}]",
    "mounts: [{type: tmpfs, target: /t}]",
    f"workdir: /{LONG[:255]}",
    "pre: [{run: a}], post: [{cmd: [a]}]",
    "sidecars: [{image: redis, probe: {path: /, port: 65535}}]",
    "files: {a.txt: x, dir/b..c: y}",
    "registry: {username: a, password: b}",
]

COMPOSITE_ACCEPTED = [
    "name: a, description: b, tags: [c], if: 'true', var: d, parallel: {tasks: [{run: x}]}",
    "each: {list: '{{ sequence(1, 3) }}', task: {run: x}, concurrency: 99999, var: n}",
    "subjob: {name: s, tasks: [{run: x}], detached: true, autoDelete: {after: 1h}}",
    "parallel: {tasks: [{each: {list: '[]', task: {subjob: {tasks: [{run: x}]}}}}]}",
    "env: {}, cmd: [], run: '', parallel: {tasks: [{run: x}]}",
]


@pytest.mark.parametrize("fields", JOB_ACCEPTED)
def test_a_job_is_accepted_with(fields: str):
    assert of_job(fields) == []


@pytest.mark.parametrize("fields", TASK_ACCEPTED)
def test_a_task_is_accepted_with(fields: str):
    assert of_task(fields) == []


@pytest.mark.parametrize("fields", COMPOSITE_ACCEPTED)
def test_a_composite_task_is_accepted_with(fields: str):
    assert of_composite(fields) == []


JOB_REFUSED = {
    "name: ''": "$.name: a name may be left out, but not be empty",
    "name: ' '": "$.name: a name may be left out, but not be empty",
    f"name: {LONG}": "$.name: a name may have up to 256 characters, this one has 257",
    "defaults: {queue: jobs}": '$.defaults.queue: "jobs" is a queue of the engine itself; '
    "choose another name",
    "defaults: {priority: 10}": "$.defaults.priority: 10 is out of range; "
    "write a whole number from 0 to 9",
    "defaults: {retry: {limit: 0}}": "$.defaults.retry.limit: 0 is out of range; "
    "write a whole number from 1 to 10",
    "defaults: {timeout: 5}": '$.defaults.timeout: "5" is not a duration; '
    "write one such as 300ms, 45m or 1h30m",
    "defaults: {limits: {memory: 5}}": '$.defaults.limits.memory: "5" is not a size; '
    "write a number followed by b, k, m or g, such as 10m",
    "webhooks: [{url: ''}]": '$.webhooks[0].url: "" is not a web address; '
    "begin it with https:// or http://",
    "webhooks: [{url: 'ftp://x'}]": '$.webhooks[0].url: "ftp://x" is not a web address; '
    "begin it with https:// or http://",
    "webhooks: [{url: 'http://x', event: job.Done}]": '$.webhooks[0].event: "job.Done" is not an '
    "event; write one of job.StateChange, job.Progress, task.StateChange, task.Progress",
    "permissions: [{}]": "$.permissions[0]: a permission names exactly one user or one role",
    "permissions: [{user: a, role: b}]": "$.permissions[0]: "
    "a permission names exactly one user or one role",
    "permissions: [{user: ''}]": "$.permissions[0].user: this may not be empty",
    "autoDelete: {after: 0s}": '$.autoDelete.after: "0s" is no useful duration; '
    "write one longer than zero, such as 45m",
    "wait: {timeout: soon}": '$.wait.timeout: "soon" is not a duration; '
    "write one such as 300ms, 45m or 1h30m",
    "schedule: {cron: '* *'}": '$.schedule.cron: "* *" is not a schedule; '
    'write five fields such as "0 2 * * *", or @hourly',
    "schedule: {cron: '@soon'}": '$.schedule.cron: "@soon" is not a schedule; '
    'write five fields such as "0 2 * * *", or @hourly',
}


@pytest.mark.parametrize("fields", JOB_REFUSED)
def test_a_job_is_refused_with(fields: str):
    assert of_job(fields) == [JOB_REFUSED[fields]]


OWN_QUEUES = (
    "jobs pending started completed error heartbeat hearbeat logs progress redeliveries dead events"
)

TASK_REFUSED = {
    "name: ''": ".name: a name may be left out, but not be empty",
    f"name: {LONG}": ".name: a name may have up to 256 characters, this one has 257",
    f"var: {LONG[:65]}": ".var: a variable's name may have up to 64 characters, this one has 65",
    "queue: ''": ".queue: a queue may be left out, but not be empty",
    **{
        f"queue: {name}": f'.queue: "{name}" is a queue of the engine itself; choose another name'
        for name in OWN_QUEUES.split()
    },
    **{
        f"queue: '{name}'": f'.queue: the queue\'s name "{name}" begins or ends with a blank; '
        "leave that out"
        for name in (" jobs", "fast ", " x-1")
    },
    'queue: "a\\nb"': '.queue: the queue\'s name "a\\nb" holds a character that cannot be printed',
    "queue: x-1": '.queue: "x-1" is a worker\'s own queue; '
    "choose a name that does not begin with x-",
    "queue: 'x-{{ inputs.a }}'": '.queue: "x-{{ inputs.a }}" is a worker\'s own queue; '
    "choose a name that does not begin with x-",
    f"queue: {'é' * 128}": ".queue: a queue's name may have up to 255 bytes, this one has 256",
    "env: {'': x}": '.env[""]: an environment variable needs a name',
    "env: {A=B: x}": '.env["A=B"]: the name of an environment variable cannot hold "=": "A=B"',
    "priority: -1": ".priority: -1 is out of range; write a whole number from 0 to 9",
    "priority: 10": ".priority: 10 is out of range; write a whole number from 0 to 9",
    "retry: {limit: 0}": ".retry.limit: 0 is out of range; write a whole number from 1 to 10",
    "retry: {limit: 11}": ".retry.limit: 11 is out of range; write a whole number from 1 to 10",
    "retry: {limit: 1, initialDelay: -5s}": '.retry.initialDelay: "-5s" is not a duration; '
    "write one such as 300ms, 45m or 1h30m",
    "retry: {limit: 1, scalingFactor: 0}": ".retry.scalingFactor: 0 is out of range; "
    "write a number above 0, such as 2",
    "timeout: 0ms": '.timeout: "0ms" is no useful duration; '
    "write one longer than zero, such as 45m",
    "limits: {memory: 10 gigs}": '.limits.memory: "10 gigs" is not a size; '
    "write a number followed by b, k, m or g, such as 10m",
    "limits: {memory: 0m}": '.limits.memory: "0m" is no useful size; '
    "write one above 0, such as 10m",
    "limits: {cpus: -1}": '.limits.cpus: "-1" is not a number of CPUs; write one such as .5 or 2',
    "limits: {cpus: 0.0}": '.limits.cpus: "0.0" is no useful number of CPUs; '
    "write one of at least 0.001, such as .5 or 2",
    "volumes: [tmp]": '.volumes[0]: "tmp" is not an absolute path; begin it with /',
    "volumes: [/a, /a/../b]": '.volumes[1]: "/a/../b" may not hold ..',
    "volumes: [/a, /b, /a/]": '.volumes[2]: "/a/" is there already; name each path once',
    "volumes: [/]": '.volumes[0]: "/" would hide the whole file system; name a folder in it',
    "volumes: [/tork]": '.volumes[0]: "/tork" is used by the engine itself; choose another path',
    "volumes: [/tork/output]": '.volumes[0]: "/tork/output" is used by the engine itself; '
    "choose another path",
    "volumes: [/dev/]": '.volumes[0]: "/dev/" is what no container can do without; '
    "choose another path",
    "volumes: [/proc/x]": '.volumes[0]: "/proc/x" is what no container can do without; '
    "choose another path",
    "volumes: [//tork/./]": '.volumes[0]: "//tork/./" is used by the engine itself; '
    "choose another path",
    "mounts: [{type: nfs, target: /a}]": '.mounts[0].type: "nfs" is not a type of mount; '
    "write volume, bind or tmpfs",
    "mounts: [{type: volume}]": ".mounts[0].target: a mount of type volume needs a target",
    "mounts: [{type: volume, source: /a, target: /b}]": ".mounts[0].source: "
    "a mount of type volume has no source; remove it",
    "mounts: [{type: bind, target: /b}]": ".mounts[0].source: a mount of type bind needs a source",
    "mounts: [{type: bind, source: /a}]": ".mounts[0].target: a mount of type bind needs a target",
    "mounts: [{type: tmpfs, source: /a, target: /b}]": ".mounts[0].source: "
    "a mount of type tmpfs has no source; remove it",
    "mounts: [{type: tmpfs, target: /tork}]": '.mounts[0].target: "/tork" is used by the engine '
    "itself; choose another path",
    "mounts: [{type: bind, source: '/a;b', target: /b}]": '.mounts[0].source: "/a;b" is not a path '
    "to mount; use letters, digits and - / . _ = only",
    "mounts: [{type: tmpfs, target: '/a:b'}]": '.mounts[0].target: "/a:b" is not a path '
    "to mount; use letters, digits and - / . _ = only",
    "networks: ['']": ".networks[0]: this may not be empty",
    f"workdir: {LONG}": ".workdir: a working directory may have up to 256 characters, "
    "this one has 257",
    "files: {/etc/passwd: x}": '.files["/etc/passwd"]: "/etc/passwd" is outside the working '
    "directory; write a relative path without ..",
    "files: {a/../../b: x}": '.files["a/../../b"]: "a/../../b" is outside the working directory; '
    "write a relative path without ..",
    "files: {'': x}": '.files[""]: a file needs a name',
    "registry: {username: '', password: x}": ".registry.username: this may not be empty",
    "pre: [{name: a}]": ".pre[0]: a task needs something to do; "
    "write run, cmd, entrypoint or image",
    "post: [{run: x, timeout: x}]": '.post[0].timeout: "x" is not a duration; '
    "write one such as 300ms, 45m or 1h30m",
    "pre: [{run: x, name: ''}]": ".pre[0].name: a name may be left out, but not be empty",
    "pre: [{run: x, env: {=: ''}}]": '.pre[0].env["="]: '
    'the name of an environment variable cannot hold "=": "="',
    "sidecars: [{image: x, probe: {path: a, port: 1}}]": '.sidecars[0].probe.path: "a" is not a '
    "path; begin it with /",
    f"sidecars: [{{image: x, probe: {{path: /{LONG}, port: 1}}}}]": ".sidecars[0].probe.path: "
    "a probe's path may have up to 256 characters, this one has 258",
    "sidecars: [{image: x, probe: {path: /, port: 0}}]": ".sidecars[0].probe.port: "
    "0 is out of range; write a whole number from 1 to 65535",
    "sidecars: [{image: x, probe: {path: /, port: 65536}}]": ".sidecars[0].probe.port: "
    "65536 is out of range; write a whole number from 1 to 65535",
    "sidecars: [{image: x, probe: {path: /, port: 1, timeout: 0s}}]": ".sidecars[0].probe.timeout: "
    '"0s" is no useful duration; write one longer than zero, such as 45m',
}


@pytest.mark.parametrize("fields", TASK_REFUSED)
def test_a_task_is_refused_with(fields: str):
    assert of_task(fields) == [f"$.tasks[0]{TASK_REFUSED[fields]}"]


@pytest.mark.parametrize("nothing", ["name: a", "run: ''", "cmd: []", "env: {A: b}", "image: ''"])
def test_a_task_needs_something_to_do(nothing: str):
    assert of_composite(nothing) == [
        "$.tasks[0]: a task needs something to do; write run, cmd, entrypoint or image"
    ]


@pytest.mark.parametrize("something", ["run: x", "cmd: [x]", "entrypoint: [x]", "image: x"])
def test_each_of_these_is_something_to_do(something: str):
    assert of_composite(something) == []


EXCLUDED = {
    **dict.fromkeys(("image", "run", "queue", "workdir", "gpus"), "x"),
    **dict.fromkeys(("cmd", "entrypoint", "volumes", "networks"), "[/x]"),
    **dict.fromkeys(("env", "files"), "{A: b}"),
    **dict.fromkeys(("pre", "post", "sidecars"), "[{run: x}]"),
    "mounts": "[{type: tmpfs, target: /x}]",
    "retry": "{limit: 1}",
    "limits": "{cpus: 1}",
    "timeout": "1s",
    "registry": "{username: a, password: b}",
}


@pytest.mark.parametrize("field", EXCLUDED)
def test_a_composite_task_describes_no_process(field: str):
    assert of_composite(f"{field}: {EXCLUDED[field]}, parallel: {{tasks: [{{run: x}}]}}") == [
        f"$.tasks[0].{field}: a task with parallel cannot have {field}; "
        "write it into the tasks within"
    ]


COMPOSITE_REFUSED = {
    "parallel: {tasks: [{run: x}]}, each: {list: x, task: {run: x}}": ".each: "
    "a task with parallel cannot have each too",
    "each: {list: x, task: {run: x}}, subjob: {tasks: [{run: x}]}": ".subjob: "
    "a task with each cannot have subjob too",
    "parallel: {tasks: []}": ".parallel.tasks: parallel needs at least one task",
    "parallel: {tasks: [{run: x}, {name: a}]}": ".parallel.tasks[1]: a task needs something to do; "
    "write run, cmd, entrypoint or image",
    "each: {list: '', task: {run: x}}": ".each.list: this may not be empty",
    "each: {list: x, task: {run: x, queue: jobs}}": '.each.task.queue: "jobs" is a queue of the '
    "engine itself; choose another name",
    "each: {list: x, task: {run: x}, concurrency: -1}": ".each.concurrency: -1 is out of range; "
    "write a whole number from 0 to 99999",
    "each: {list: x, task: {run: x}, concurrency: 100000}": ".each.concurrency: 100000 is out of "
    "range; write a whole number from 0 to 99999",
    "subjob: {tasks: []}": ".subjob.tasks: a subjob needs at least one task",
    "subjob: {name: '', tasks: [{run: x}]}": ".subjob.name: "
    "a name may be left out, but not be empty",
    "subjob: {tasks: [{run: x, priority: 11}]}": ".subjob.tasks[0].priority: 11 is out of range; "
    "write a whole number from 0 to 9",
    "subjob: {tasks: [{run: x}], autoDelete: {after: x}}": '.subjob.autoDelete.after: "x" is not a '
    "duration; write one such as 300ms, 45m or 1h30m",
    "subjob: {tasks: [{run: x}], webhooks: [{url: x}]}": '.subjob.webhooks[0].url: "x" is not a '
    "web address; begin it with https:// or http://",
}


@pytest.mark.parametrize("fields", COMPOSITE_REFUSED)
def test_a_composite_task_is_refused_with(fields: str):
    assert of_composite(fields) == [f"$.tasks[0]{COMPOSITE_REFUSED[fields]}"]


def test_an_empty_task_list_is_refused():
    assert problems("tasks: []") == ["$.tasks: a job needs at least one task"]


def test_a_job_made_in_python_is_held_to_the_same_rules():
    check_job(JobSpec(tasks=[TaskSpec(run="x")]))
    bad = TaskSpec(run="a\0", queue="jobs", gpus="all", env={"A\0": "b"})
    with pytest.raises(InvalidJob) as refused:
        check_job(JobSpec(name="", tasks=[bad]))
    assert [problem.path for problem in refused.value.problems] == [
        "$.tasks[0].gpus",
        "$.name",
        "$.tasks[0].queue",
        "$.tasks[0].run",
        '$.tasks[0].env["A\\x00"]',
    ]
    assert refused.value.line is None
