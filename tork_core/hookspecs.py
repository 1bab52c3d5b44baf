"""Every hook that a plugin can implement.

A plugin is a module that a distribution names in its entry points of the group ``tork``. It marks
functions that have the names below with :data:`hookimpl`::

    from tork_core.expressions import function
    from tork_core.hookspecs import hookimpl

    @function("shout(text: string) -> string")
    def shout(text: str) -> str:
        'Say it loud.'
        return text.upper()

    @hookimpl
    def tork_expression_functions():
        return [shout]

Its module only declares: a client library is imported when a provider is opened, and not before.
Each hook is called once per process that needs it, in no particular order of plugins. A plugin
whose module cannot be imported, or whose hook raises, is named by ``tork plugins``, and no server
starts with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from tork_core.expressions import Function
    from tork_core.interfaces.middleware import (
        JobMiddleware,
        LogMiddleware,
        NodeMiddleware,
        TaskMiddleware,
    )
    from tork_core.interfaces.provider import BrokerProvider, DatastoreProvider, RuntimeProvider

PROJECT = "tork"
"""pluggy's name of the project, and the group of the entry points."""

API = 1
"""The version of what plugins implement: hooks, and the interfaces of what they provide."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook that has its name."""


@hookspec
def tork_brokers() -> Iterable[BrokerProvider]:  # pyright: ignore[reportReturnType]
    """Offer brokers: they carry messages between coordinators and workers.

    Return one provider per broker; its name is what users write after ``--broker``, and its
    settings become options, variables and keys of the configuration file. ``open`` is called once
    in a process, with the settings and the environment, and gives a
    :class:`~tork_core.interfaces.broker.Broker` for as long as its context is open. Two plugins
    that offer one name are an error at start-up. Test it with
    :class:`tork_core.testing.broker.BrokerContract`.
    """


@hookspec
def tork_datastores() -> Iterable[DatastoreProvider]:  # pyright: ignore[reportReturnType]
    """Offer datastores: they hold jobs, tasks, events, nodes and logs.

    Return one provider per datastore; its name is what users write after ``--datastore``. ``open``
    is called once in a process and gives a :class:`~tork_core.interfaces.datastore.Datastore`.
    Two plugins that offer one name are an error at start-up. Test it with
    :class:`tork_core.testing.datastore.DatastoreContract`.
    """


@hookspec
def tork_runtimes() -> Iterable[RuntimeProvider]:  # pyright: ignore[reportReturnType]
    """Offer runtimes: ways to run a task on a worker.

    Return one provider per runtime; its name is what users write after ``--runtime``. It says
    which fields of a task it ``honours``: a task with any other is failed before it starts.
    ``open`` is called once in a worker and gives a
    :class:`~tork_core.interfaces.runtime.Runtime`, which serves all slots at once. Two plugins
    that offer one name are an error at start-up. Test it with
    :class:`tork_core.testing.runtime.RuntimeContract`.
    """


@hookspec
def tork_expression_functions() -> Iterable[Function]:  # pyright: ignore[reportReturnType]
    """Offer functions for use inside ``{{ … }}``.

    Return functions that are declared with :func:`tork_core.expressions.function`, whose signature
    says what they take. A function is pure, synchronous and quick: it is called by the
    coordinator, in a moment in which nothing else happens. To refuse an argument raise ValueError
    with words for the user. A name that is taken, by the language or by another plugin, is an
    error at start-up, unless the function is declared with ``overrides=True``.
    """


@hookspec
def tork_job_middleware() -> Iterable[JobMiddleware]:  # pyright: ignore[reportReturnType]
    """Offer middleware for jobs: change or refuse a submission, change answers, watch events.

    ``admit`` is called where a job is submitted, before it is stored, and may be called again;
    it returns the job, changed or not, or raises :class:`~tork_core.errors.InvalidJob`. ``show``
    and ``show_text`` are called for whatever leaves the engine about a job. ``observe`` is called
    by the coordinator after the commit of a change, at least once for each event; an exception
    of it is logged and stops nothing.
    """


@hookspec
def tork_task_middleware() -> Iterable[TaskMiddleware]:  # pyright: ignore[reportReturnType]
    """Offer middleware for tasks: change or refuse a task, watch events.

    ``admit`` is called by the coordinator with ``"schedule"`` and the rendered task before it is
    sent to its queue, and by the worker with ``"run"`` before it is prepared; it returns the task,
    changed or not, or raises :class:`~tork_core.errors.InvalidJob`, which fails the task.
    ``observe`` is called by the coordinator after the commit of a change, at least once for each
    event.
    """


@hookspec
def tork_node_middleware() -> Iterable[NodeMiddleware]:  # pyright: ignore[reportReturnType]
    """Offer middleware that watches nodes come, go, and get lost.

    ``observe`` is called by the coordinator after the change was written, at least once.
    """


@hookspec
def tork_log_middleware() -> Iterable[LogMiddleware]:  # pyright: ignore[reportReturnType]
    """Offer middleware that changes the logs of tasks.

    ``open`` is called by the worker for every attempt of a task, with its environment, and gives a
    filter for the pieces of its log, or None where it has nothing to change. Pieces come in order
    and are cut anywhere; a filter that looks for something longer than a character has to hold
    back what may be its beginning. The log is stored as filtered, once and for all.
    """


@hookspec
def tork_cli_commands() -> Iterable[click.Command]:  # pyright: ignore[reportReturnType]
    """Offer commands of ``tork``.

    Return :mod:`click` commands or groups. Two plugins that offer one name are an error at
    start-up, and so is the name of a command of the core. What a command needs is imported when
    it runs. To fail raise :class:`~tork_core.errors.UsageError` or another
    :class:`~tork_core.errors.TorkError`: users see its message, and no traceback.
    """
