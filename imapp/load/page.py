"""The report as one HTML file that works offline: figures, plots, and what draws them (uPlot) inside."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from imapp.load.errors import MisuseError

_HERE = Path(__file__).parent
_VENDOR = _HERE.parents[1] / "web" / "vendor"


def vendor(folder: Path = _VENDOR) -> tuple[str, str]:
    """The script and style of uPlot; raises MisuseError when they are not there."""
    try:
        script, style = ((folder / name).read_text(encoding="utf-8") for name in ("uplot.js", "uplot.css"))
    except OSError as exc:
        raise MisuseError(f"{exc.filename} is missing, which draws the report's plots: scripts/fetch_web.py") from exc
    return script, style


def page(report: dict[str, Any]) -> str:
    """The whole file."""
    script, style = vendor()
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (_HERE / "page.html").read_text(encoding="utf-8")
    )
    return template.render(
        report=report,
        style=Markup(style),  # noqa: S704 - a file of this project, as the scripts are
        script=Markup(script + (_HERE / "page.js").read_text(encoding="utf-8")),  # noqa: S704
        data=_data(report),
    )


def _data(report: dict[str, Any]) -> Markup:
    """JSON inside a script element: no "<" that could end it."""
    text = json.dumps({name: report[name] for name in ("seconds", "histogram", "nodes", "steps")}, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - this line is why it is safe
