"""One sample of everything that travels or is stored: with all fields set, and with the least.

``python -m tests.wire.samples`` writes the files of ``golden/`` that are not there yet. A file that
is there is never written again: whoever changes a format deletes it, and sees in review what nodes
of another version will be sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from tork_core.model.job import Claim, Event, Job, LogPart, Task
from tork_core.model.messages import (
    ClaimItem,
    Claims,
    Heartbeat,
    Hint,
    LogParts,
    Notice,
    Orders,
    ReportItem,
    Reports,
    TaskMessage,
)
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.model.spec import (
    AuxiliaryTaskSpec,
    DefaultsSpec,
    JobSpec,
    LimitsSpec,
    RegistrySpec,
    RetrySpec,
    TaskSpec,
)
from tork_core.model.states import JobState, TaskState

GOLDEN = Path(__file__).parent / "golden"

AT = datetime(2027, 1, 15, 8, 0, 0, 123456, tzinfo=UTC)
LATER = AT + timedelta(seconds=1)
JOB = "01a3185c5000c386cd613e30d8f16adf"
TASK = "01a3185c5000ae2c530f23adb1d2a2f5"
NODE = "91b7584a2265b1f5"

CLAIM = Claim(node=NODE, number=7, beat=3)
ASKED = ClaimItem(job_id=JOB, task_id=TASK, attempt=2, number=7, beat=3)

TASK_SPEC = TaskSpec(
    name="a task",
    description="what it does",
    tags=["a", "b"],
    image="ubuntu:mantic",
    run="echo 'zwölf €'\n",
    cmd=["a", "b"],
    entrypoint=["c"],
    env={"A": "1", "B": ""},
    queue="slow",
    pre=[AuxiliaryTaskSpec(run="true")],
    retry=RetrySpec(limit=3, initial_delay="5s"),
    limits=LimitsSpec(cpus=".5", memory="10m"),
    timeout="1h",
    var="out",
    condition="{{ true }}",
    files={"a.txt": "text"},
    registry=RegistrySpec(username="u", password="p"),
    priority=9,
)

PART = LogPart(
    job_id=JOB,
    task_id=TASK,
    attempt=2,
    number=1,
    contents='one\n"zwölf" \U0001f680\n',
    created_at=AT,
    cursor=5,
)

NODE_ROW = Node(
    id=NODE,
    name="sam",
    kind=NodeKind.WORKER,
    state=NodeState.DOWN,
    hostname="sam.example.org",
    version="0.1.0",
    queues={"default": 2, "slow": 1},
    task_count=1,
    beat=12,
    started_at=AT,
    last_heartbeat_at=LATER,
    steady_since=AT,
)

REPORTED = ReportItem(
    job_id=JOB,
    task_id=TASK,
    attempt=2,
    number=7,
    beat=3,
    output="the output",
    error="exit code 1",
    handed_back=True,
    log_parts=4,
)

MESSAGES: Mapping[str, msgspec.Struct] = {
    "task-message": TaskMessage(
        job_id=JOB,
        task_id=TASK,
        attempt=2,
        spec=TASK_SPEC,
        sent_at=AT,
        ask=True,
        secrets=["hidden"],
        failures=2,
        reason="why",
    ),
    "task-message-least": TaskMessage(
        job_id=JOB, task_id=TASK, attempt=1, spec=TaskSpec(run="true"), sent_at=AT
    ),
    "hint": Hint(job_id=JOB, task_id=TASK, state=JobState.RUNNING, failures=2, reason="why"),
    "hint-least": Hint(job_id=JOB),
    "claims": Claims(node=NODE, claims=[ASKED], failures=2, reason="why"),
    "claims-least": Claims(
        node=NODE, claims=[ClaimItem(job_id=JOB, task_id=TASK, attempt=1, number=1)]
    ),
    "reports": Reports(node=NODE, reports=[REPORTED], failures=2, reason="why"),
    "reports-least": Reports(
        node=NODE, reports=[ReportItem(job_id=JOB, task_id=TASK, attempt=1, number=1)]
    ),
    "heartbeat": Heartbeat(node=NODE_ROW, claims=[ASKED], failures=2, reason="why"),
    "heartbeat-least": Heartbeat(node=Node(id=NODE, name="sam", kind=NodeKind.COORDINATOR)),
    "orders": Orders(granted=[1], stopped=[2], settled=[3, 4], lost=True, failures=2, reason="why"),
    "orders-least": Orders(),
    "log-parts": LogParts(parts=[PART], failures=2, reason="why"),
    "log-parts-least": LogParts(
        parts=[LogPart(job_id=JOB, task_id=TASK, attempt=1, number=1, contents="")]
    ),
    "notice": Notice(jobs=[JOB], ended=[JOB], logs=[JOB], failures=2, reason="why"),
    "notice-least": Notice(),
}

ROWS: Mapping[str, msgspec.Struct] = {
    "job": Job(
        id=JOB,
        created_at=AT,
        version=9,
        state=JobState.FAILED,
        position=2,
        task_count=3,
        run=2,
        started_at=AT,
        completed_at=LATER,
        failed_at=LATER,
        cancelled_at=LATER,
        due=LATER,
        events=17,
        variables={"out": TASK},
        output="the result",
        error="exit code 1",
    ),
    "job-least": Job(id=JOB, created_at=AT),
    "task": Task(
        id=TASK,
        job_id=JOB,
        path="2.1",
        position=2,
        created_at=AT,
        state=TaskState.RUNNING,
        name="a task",
        queue="slow",
        priority=9,
        var="out",
        retry=1,
        attempt=2,
        lost=1,
        restarts=2,
        claim=CLAIM,
        scheduled_at=AT,
        published_at=AT,
        sent=3,
        started_at=AT,
        completed_at=LATER,
        failed_at=LATER,
        cancelled_at=LATER,
        due=LATER,
        output="the output",
        error="exit code 1",
        log_parts=4,
    ),
    "task-least": Task(id=TASK, job_id=JOB, path="1", position=1, created_at=AT),
    "event": Event(
        job_id=JOB,
        number=5,
        at=AT,
        state="FAILED",
        task_id=TASK,
        name="a task",
        attempt=2,
        node=NODE,
        detail="exit code 1",
        log_parts=4,
    ),
    "event-least": Event(job_id=JOB, number=1, at=AT, state="PENDING"),
    "log-part": PART,
    "node": NODE_ROW,
    "node-least": Node(id=NODE, name="sam", kind=NodeKind.WORKER),
    "task-spec": TASK_SPEC,
    "job-spec": JobSpec(
        name="a job",
        tasks=[TaskSpec(run="true")],
        inputs={"a": "1"},
        output="{{ inputs.a }}",
        defaults=DefaultsSpec(queue="slow", retry=RetrySpec(limit=1)),
    ),
}

SAMPLES: Mapping[str, msgspec.Struct] = {**MESSAGES, **ROWS}


def main() -> None:
    """Write the files that are missing."""
    GOLDEN.mkdir(exist_ok=True)
    for name, sample in SAMPLES.items():
        path = GOLDEN / f"{name}.json"
        if not path.exists():
            path.write_bytes(msgspec.json.encode(sample))
            print(f"written: {path}")  # noqa: T201


if __name__ == "__main__":
    main()
