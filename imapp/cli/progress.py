"""A progress bar on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """Show a progress bar, only on a terminal, and yield `advance(what, count)`."""
    # Not imported at the top: the server loads this module, too, and starts faster without it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)

        def advance(what: str, count: int) -> None:
            progress.update(task, advance=count, description=f"{title} {what}")

        yield advance
        progress.update(task, description=title, completed=progress.tasks[0].total)
