"""Steps with a bar and a clock each."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Advance = Callable[[int], None]  # takes how much is done so far


class Steps:
    """What was done and how long it took, in `seconds`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, title: str, total: int | None = None) -> Iterator[Advance]:
        """Show this step while its block runs. Without a terminal one line is printed when it is done."""
        began = time.monotonic()
        with self._bar(total) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done: progress.update(task, completed=done)
        self.seconds[name] = round(time.monotonic() - began, 3)
        self.console.print(f"[green]✓[/] {title} [dim]{self.seconds[name]:.1f} s[/]", highlight=False)

    def _bar(self, total: int | None) -> Progress:
        counted = [BarColumn(), MofNCompleteColumn()] if total else []
        return Progress(
            *(SpinnerColumn(), TextColumn("{task.description}"), *counted, TimeElapsedColumn()),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
