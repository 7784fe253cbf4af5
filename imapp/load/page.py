"""The report as one HTML file that works offline, with its figures, its plots, and uPlot, which draws them."""

import json
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from imapp.load.errors import MisuseError
from imapp.load.json import JsonObject

_HERE = Path(__file__).parent
_VENDOR = _HERE.parents[1] / "web" / "vendor"


def vendor(folder: Path = _VENDOR) -> tuple[str, str]:
    """Return the script and the style of uPlot; raises MisuseError if they are missing."""
    try:
        script, style = ((folder / name).read_text(encoding="utf-8") for name in ("uplot.js", "uplot.css"))
    except OSError as exc:
        raise MisuseError(f"{exc.filename} is missing (for the report's plots): run scripts/fetch_web.py") from exc
    return script, style


def page(report: JsonObject) -> str:
    """Return the HTML file."""
    script, style = vendor()
    data = json.dumps({name: report[name] for name in ("seconds", "histogram", "nodes", "steps")}, allow_nan=False)
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (_HERE / "page.html").read_text(encoding="utf-8")
    )
    return template.render(
        report=report,
        style=Markup(style),  # noqa: S704 - a file of this project, like the scripts
        script=Markup(script + (_HERE / "page.js").read_text(encoding="utf-8")),  # noqa: S704
        data=Markup(data.replace("<", "\\u003c")),  # noqa: S704 - in a script element, only "<" could end the element
    )
