"""The suite's command line, `mirl`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Annotated

import typer

from mirl import terminal
from mirl.config import ConfigError
from mirl.files import describe_os_error
from mirl.signals import Stopped
from mirl.suite.cli import cards, host, judging, rooms, running, showing
from mirl.suite.manifests import DamagedRunError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
for group in (running, judging, showing, host, cards, rooms):
    app.add_typer(group.app)


@app.callback(invoke_without_command=True)
def suite(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    """The reproducibility suite: runs experiments of papers, and says whether they reproduce."""
    if version:
        sys.stdout.write(f"mirl {metadata.version('mirl')}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stderr.write(context.get_help() + "\n")
        raise typer.Exit(2)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 something did not finish or does not hold, 2 bad input."""
    terminal.speak_plainly()
    raise SystemExit(run())


def run(words: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own); returns the exit code."""
    command = typer.main.get_command(app)
    return guarded(lambda: command.main(args=words, prog_name="mirl", standalone_mode=False))


def guarded(command: Callable[[], object]) -> int:
    """Run `command`; whatever a user can cause ends in one line on stderr."""
    message = ""
    try:
        result = command()
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except ConfigError as error:
        message, code = str(error), 2
    except DamagedRunError as damage:
        message, code = str(damage), 1
    except Stopped as stop:
        with contextlib.suppress(OSError):  # nobody may read it any more
            print(stop)
        code = 1
    except BrokenPipeError:  # whoever reads our output has seen enough
        code = 1
    except OSError as error:
        message, code = describe_os_error(error), 1
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own complaints about the command line
            raise
        message, code = " ".join(error.format_message().split()), 2
    return terminal.end("mirl", message, code)
