"""Whatever is submitted: a helpful refusal within two seconds, and nothing stored."""

from __future__ import annotations

import time
from typing import Any

from tests.api.hostile import cases


async def test_hostile_submissions_are_refused_helpfully_at_once(api: Any) -> None:
    wrong: list[str] = []
    count = 0
    for name, format, body, word in cases():
        count += 1
        started = time.monotonic()
        status, answer = await api.call("POST", "/jobs", body, Content_Type=f"application/{format}")
        took = time.monotonic() - started
        error = (answer or {}).get("error", "")
        if not 400 <= status < 500 or word.lower() not in error.lower() or took > 2:
            wrong.append(f"{name}: {status} after {took:.2f} s, not {word!r} in {error[:200]!r}")
        if "Traceback" in error or len(error) > 4000:
            wrong.append(f"{name}: {error[:300]}")
    assert not wrong, "\n".join(wrong)
    assert count >= 130
    assert (await api.get("/jobs"))["totalItems"] == 0
    await api.ended((await api.submit())["id"])
