"""The WSGI app that gunicorn (`wsgi:app`) and the `flask` command load."""

import gc

gc.disable()  # a collection while modules are imported finds nothing to free, and takes a fifth of the start

import logging
import sys
from logging.config import dictConfig

from config import SettingsError, load_settings
from imapp.app import create_app, init_commands
from imapp.logs.setup import of_command

try:
    settings = load_settings()
except SettingsError as exc:
    sys.stderr.write(f"{exc}\n")
    sys.exit(exc.exit_code)

is_command = not logging.getLogger().handlers  # gunicorn has configured logging before it loads this module
if is_command:
    dictConfig(of_command(settings))

app = create_app(settings)
if is_command:
    init_commands(app)
gc.freeze()
gc.enable()
