"""A first start is safe (drill S23): no guessable secret, no account, no debugger."""

import stat

from config import load_settings
from imapp.app import create_app
from imapp.extensions import db
from imapp.models.users import User
from tests.accounts import login


def first_start(folder):
    return load_settings({"IM_DATA_DIR": str(folder)})


def test_each_installation_generates_its_own_secret_and_keeps_it(tmp_path):
    one, other = first_start(tmp_path / "one"), first_start(tmp_path / "other")

    again = first_start(tmp_path / "one")

    assert one.secret_key != other.secret_key
    assert one.secret_key == again.secret_key
    assert len(one.secret_key) >= 43


def test_only_the_owner_can_read_the_secret(tmp_path):
    settings = first_start(tmp_path / "data")

    files = [path for path in settings.data_dir.rglob("*") if settings.secret_key in path.read_text()]

    assert len(files) == 1
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_shown_settings_do_not_contain_the_secret(tmp_path):
    settings = first_start(tmp_path / "data")

    assert settings.secret_key not in repr(settings) + str(settings) + str(settings.masked())


def test_a_fresh_installation_has_no_account_and_no_debugger(app, client):
    with app.app_context():
        accounts = db.session.scalar(db.select(db.func.count()).select_from(User))

    assert accounts == 0
    assert not app.debug
    for name in ("admin", "root", "demo", "test", "im", "imapp"):
        for password in ("admin", "password", "changeme", name):
            assert login(client, name, password).status_code == 401


def test_a_fresh_installation_is_in_production_mode_with_rate_limits(tmp_path):
    settings = first_start(tmp_path / "data")
    app = create_app(settings)

    assert (settings.env, settings.rate_limits, settings.allowed_origins) == ("production", True, ())
    assert settings.host == "127.0.0.1"
    assert (app.debug, app.testing) == (False, False)
