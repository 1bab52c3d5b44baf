"""A house rule: a job says what it is for."""

from tork_core.errors import InvalidJob
from tork_core.hookspecs import hookimpl
from tork_core.interfaces.middleware import JobMiddleware


def described(job):
    if not job.description:
        raise InvalidJob("say what the job is for", path="$.description")
    return job


@hookimpl
def tork_job_middleware():
    return [JobMiddleware(name="described", admit=described)]
