"""What becomes of a plugin: loaded, broken, or disabled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tork_core.errors import PluginError
from tork_core.plugins import Plugin, Registry, load

Install = Callable[..., object]
Source = Callable[..., str]


def plugin(registry: Registry, distribution: str) -> Plugin:
    (found,) = [p for p in registry.plugins if p.entry_point.distribution == distribution]
    return found


def test_a_plugin_is_found_and_offers_what_its_hooks_return(
    install: Install, broker_source: Source
) -> None:
    install("acme-mail", broker_source(), name="mail", version="2.3")
    registry = load({})
    found = plugin(registry, "acme-mail")
    assert (found.state, found.entry_point.version, found.entry_point.name) == (
        "loaded",
        "2.3",
        "mail",
    )
    assert registry.broker("mail").name == "mail"
    registry.check()


def test_the_core_s_own_plugins_come_through_the_same_door() -> None:
    (redaction,) = [p for p in load({}).plugins if p.entry_point.name == "redaction"]
    assert redaction.entry_point.distribution == "tork-core"
    assert set(redaction.offers) == {"job middleware", "log middleware"}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named"),
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("x = 1", "it implements no hook"),
        (
            """
            from tork_core.hookspecs import hookimpl
            @hookimpl
            def tork_broker(): return []
            """,
            "tork_broker is no hook, did you mean tork_brokers?",
        ),
        (
            """
            from tork_core.hookspecs import hookimpl
            @hookimpl
            def tork_brokers(engine): return []
            """,
            "Argument(s) {'engine'} are declared in the hookimpl but can not be found",
        ),
        (
            """
            from tork_core.hookspecs import hookimpl
            @hookimpl
            def tork_brokers(): raise ValueError("no brokers\\nsecond line")
            """,
            "ValueError: no brokers second line",
        ),
        (
            """
            from tork_core.hookspecs import hookimpl
            @hookimpl
            def tork_runtimes(): return None
            """,
            "tork_runtimes returned NoneType, not a list",
        ),
        (
            """
            from tork_core.hookspecs import hookimpl
            @hookimpl
            def tork_runtimes(): return ["docker"]
            """,
            "tork_runtimes gave str where RuntimeProvider is wanted",
        ),
        (
            """
            from tork_core.hookspecs import hookimpl
            @hookimpl(wrapper=True)
            def tork_runtimes(): return (yield)
            """,
            "hook wrappers are not supported",
        ),
        (
            """
            from tork_core.hookspecs import hookimpl
            @hookimpl
            def tork_expression_functions(): return [len]
            """,
            "tork_expression_functions gave builtin_function_or_method where Function is wanted",
        ),
        (
            """
            from tork_core.expressions import function
            @function("shout(text)")
            def shout(text):
                "Say it loud."
            """,
            "'shout(text)' is no signature of a function",
        ),
        (
            """
            import click
            from tork_core.hookspecs import hookimpl
            @hookimpl
            def tork_cli_commands(): return [click.Command("two words")]
            """,
            "'two words' cannot be the name of a command",
        ),
    ],
)
def test_a_plugin_that_goes_wrong_is_broken_and_says_why(
    install: Install, source: str, problem: str
) -> None:
    install("acme-bad", source, name="bad")
    registry = load({})
    found = plugin(registry, "acme-bad")
    assert found.state == "broken"
    assert problem in (found.problem or "")
    assert not found.offers
    with pytest.raises(PluginError, match=r"acme-bad \(plugin bad\) is broken"):
        registry.check()


def test_a_broken_plugin_takes_nothing_else_down(install: Install, broker_source: Source) -> None:
    install("acme-bad", "raise RuntimeError('no')", name="bad")
    install("acme-mail", broker_source(), name="mail")
    assert load({}).broker("mail")


def test_a_provider_for_another_version_of_the_interface_is_refused(
    install: Install, broker_source: Source
) -> None:
    install("acme-mail", broker_source(api=2), name="mail")
    problem = plugin(load({}), "acme-mail").problem or ""
    assert "mail is made for version 2" in problem
    assert "has version 1" in problem


def test_two_entry_points_of_one_name_are_both_seen(
    install: Install, broker_source: Source
) -> None:
    install("acme-one", broker_source("one"), name="mail")
    install("acme-two", broker_source("two"), name="mail")
    registry = load({})
    assert [p.entry_point.name for p in registry.plugins].count("mail") == 2
    assert registry.broker("one")
    assert registry.broker("two")


def test_two_providers_of_one_name_are_an_error_that_names_both(
    install: Install, broker_source: Source
) -> None:
    install("acme-one", broker_source("mail", prefix="one"))
    install("acme-two", broker_source("mail", prefix="two"))
    registry = load({})
    for act in (registry.check, lambda: registry.broker("mail")):
        with pytest.raises(PluginError, match=r"broker mail .* acme-one .* acme-two"):
            act()


def test_two_declarations_of_one_flag_are_an_error_that_names_both(
    install: Install, broker_source: Source
) -> None:
    install("acme-one", broker_source("one", flag="--post"))
    install("acme-two", broker_source("two", flag="--post"))
    with pytest.raises(PluginError, match=r"--post is declared twice: by acme-one .* acme-two"):
        load({}).check()


FUNCTION = """
    from tork_core.expressions import function
    from tork_core.hookspecs import hookimpl

    @function("{name}(text: string) -> string", overrides={overrides})
    def say(text: str) -> str:
        "Say it."
        return "{says}"

    @hookimpl
    def tork_expression_functions():
        return [say]
"""


def test_two_functions_of_one_name_are_an_error_unless_one_means_it(install: Install) -> None:
    install("acme-a", FUNCTION.format(name="say", overrides=False, says="a"))
    install("acme-b", FUNCTION.format(name="say", overrides=False, says="b"))
    with pytest.raises(PluginError, match=r"function say of acme-b is there already .* acme-a"):
        load({}).check()
    install("acme-c", FUNCTION.format(name="say", overrides=True, says="c"))
    registry = load({"TORK_PLUGINS_DISABLED": "acme-b"})
    registry.check()
    assert registry.functions["say"].call("") == "c"


def test_a_function_of_the_language_is_not_replaced_by_accident(install: Install) -> None:
    install("acme-a", FUNCTION.format(name="upper", overrides=False, says="a"))
    registry = load({})
    with pytest.raises(PluginError, match="the function upper of acme-a is there already"):
        registry.check()
    assert registry.functions["upper"].origin != "acme-a"


def test_a_plugin_cannot_take_a_flag_of_the_core(install: Install, broker_source: Source) -> None:
    install("acme-one", broker_source("one", flag="--queue"))
    with pytest.raises(PluginError, match=r"--queue is declared twice: by tork-core .* acme-one"):
        load({}).check()


def test_a_plugin_cannot_take_a_command_of_the_core(install: Install) -> None:
    install(
        "acme-exec",
        """
        import click
        from tork_core.hookspecs import hookimpl
        @hookimpl
        def tork_cli_commands(): return [click.Command("exec")]
        """,
    )
    with pytest.raises(PluginError, match=r"acme-exec .* the core's own command exec"):
        load({}).check()


@pytest.mark.parametrize("word", ["bad", "BAD", "acme-bad", "acme_bad", "other, bad"])
def test_a_disabled_plugin_is_not_even_imported(
    install: Install, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme-bad", "import builtins; builtins.acme_bad_was_imported = True", name="bad")
    found = plugin(load({"TORK_PLUGINS_DISABLED": word}), "acme-bad")
    assert found.state == "disabled"
    import builtins

    assert not hasattr(builtins, "acme_bad_was_imported")


def test_entry_points_that_cannot_be_read_are_a_line_like_any_other(install: Install) -> None:
    install("acme-odd", "x = 1", entry_points="[tork]\nodd\n")
    install("acme-attr", "x = 1", entry_points="[tork]\nattr = acme_attr:x\n")
    registry = load({})
    assert plugin(registry, "acme-odd").state == "broken"
    assert "name the module alone" in (plugin(registry, "acme-attr").problem or "")


def test_an_older_copy_later_on_the_path_is_not_a_second_plugin(
    install: Install, broker_source: Source
) -> None:
    install("acme-mail", broker_source(), name="mail", version="1.0")
    install("acme-mail", broker_source(), name="mail", version="2.0")
    assert len([p for p in load({}).plugins if p.entry_point.distribution == "acme-mail"]) == 1
