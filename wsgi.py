"""What gunicorn (`wsgi:app`) and the `flask` command load."""

import sys

from config import SettingsError, load_settings
from imapp.app import create_app

try:
    settings = load_settings()
except SettingsError as exc:
    sys.stderr.write(f"{exc}\n")
    sys.exit(exc.exit_code)

app = create_app(settings)
