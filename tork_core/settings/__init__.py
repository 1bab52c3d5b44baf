"""Settings: declared once, and known everywhere.

One declaration gives the command-line option, the environment variable, the key in the
configuration file, the validation, the line in ``tork config show`` and the row in the docs::

    class RabbitMQSettings(Settings, prefix="rabbitmq"):
        url: Secret[str] = option("amqp://guest:guest@localhost/", help="Broker to connect to.")
        confirm_timeout: Seconds = option(10, help="Longest wait for a confirmation.")

As the settings of a broker that is ``--rabbitmq-url``, ``TORK_BROKER_RABBITMQ_URL`` and the key
``url`` under ``[broker.rabbitmq]``. A flag beats the environment, the environment beats the file,
the file beats the default.
"""

from tork_core.settings.configuration import Configuration, Origin, Value, resolve
from tork_core.settings.declaration import Option, Section, Settings, option
from tork_core.settings.file import ConfigFile, find_file, read_file
from tork_core.settings.kinds import Bytes, Seconds
from tork_core.settings.secret import Secret

__all__ = [
    "Bytes",
    "ConfigFile",
    "Configuration",
    "Option",
    "Origin",
    "Seconds",
    "Secret",
    "Section",
    "Settings",
    "Value",
    "find_file",
    "option",
    "read_file",
    "resolve",
]
