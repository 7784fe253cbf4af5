"""The WSGI app that gunicorn (`wsgi:app`) and the `flask` command load."""

import gc

gc.disable()  # a collection while modules are imported finds nothing to free, and takes a fifth of the start

import logging
import sys
from logging.config import dictConfig

from config import SettingsError, load_settings
from imapp.app import create_app
from imapp.logs.setup import of_command

try:
    settings = load_settings()
except SettingsError as exc:
    sys.stderr.write(f"{exc}\n")
    sys.exit(exc.exit_code)

if not logging.getLogger().handlers:  # under gunicorn, logging is already configured
    dictConfig(of_command(settings))

app = create_app(settings)
gc.freeze()
gc.enable()
