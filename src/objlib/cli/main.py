"""The `objlib` command: finds the sub-command, runs it, and turns errors into one line.

Sub-commands are imported when they are called, so `objlib --help` need not load the SDK.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import logging
import sys
from collections.abc import Sequence
from functools import partial

import click
from click.shell_completion import CompletionItem

from objlib import __version__
from objlib.cli import logs, terminal
from objlib.cli.cleaning import one_line
from objlib.cli.errors import exit_code, worded
from objlib.cli.manual import CAN_BE_INTERRUPTED, TALKS_TO_A_STORE, ManualGroup
from objlib.cli.options import common_options
from objlib.errors import ObjlibError

INTERRUPTED = 130

#: Errors of a disk that is full, or of a person's share of it.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

#: What a shell sets when it asks for completions.
COMPLETE_VARIABLE = "_OBJLIB_COMPLETE"

#: Command -> module and its one-line help, which `--help` shows without importing the module.
COMMANDS = {
    "init": ("objlib.cli.init", "Write a settings file with every setting explained."),
    "scan": ("objlib.cli.scan", "Record every file of a library in the catalog."),
    "sync": ("objlib.cli.sync", "Scan, upload and repair: the everyday command."),
    "fsm-upload": ("objlib.cli.fsm_upload", "Upload what the store does not have yet."),
    "store-sync": ("objlib.cli.store_sync", "Compare the store with the catalog, and repair it."),
    "recover": ("objlib.cli.recover", "Bring to rest what an interrupted run left behind."),
    "search": ("objlib.cli.search", "Search the store; passages, and the files they are from."),
    "ask": ("objlib.cli.ask", "Ask the store; the answer, with numbered sources."),
    "status": ("objlib.cli.status", "Show how many files are where, and what to do next."),
    "failures": ("objlib.cli.failures", "Show why files are not in the store, and what to do."),
    "history": ("objlib.cli.history", "Show every move of one file."),
    "verify": ("objlib.cli.verify", "Ask the store about each file, and check what it cites."),
    "metadata": ("objlib.cli.metadata", "Show what is sent about one file."),
    "config": ("objlib.cli.config", "Show the settings and where each one comes from."),
    "completion": ("objlib.cli.completion", "Print what makes a shell complete objlib."),
    "web": ("objlib.cli.web", "Show the library in a browser: search, read, browse, sync."),
    "mcp": ("objlib.cli.mcp", "Give the library to an assistant: search, read, ask."),
    "serve": ("objlib.cli.serve", "Run the File Search server on a port."),
}


class LazyGroup(ManualGroup):
    """A group that knows its commands by name and imports each when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not ctx.resilient_parsing and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{name}'.{hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _say_version(ctx: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    """One line, as a bug report needs it. The SDK's version is read and not imported."""
    if not is_asked:
        return
    import platform
    from importlib.metadata import version

    sdk = f"google-genai {version('google-genai')}"
    terminal.say(f"objlib {__version__} (Python {platform.python_version()}, {sdk})")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    exit_codes={
        1: "done, but something failed, differs, or was not found",
        **TALKS_TO_A_STORE,
        **CAN_BE_INTERRUPTED,
    },
    examples=[
        "objlib sync --library ~/Lectures",
        'objlib search "How many mites mean that bees must be treated?"',
        "objlib status",
    ],
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Show the version, and what it runs on.",
)
@common_options
def cli() -> None:
    """Keep a folder of lectures, books and notes in step with a Gemini File Search store.

    Scan a library, upload what is new, prove that the store holds exactly that, and search it with
    citations that lead back to the files. Your files are only ever read.

    With GEMINI_API_KEY set the store is at Google; with OBJLIB_BASE_URL it is on that server;
    without either everything runs on an embedded store. Options of every command may stand before
    or after its name. Each command has a page of its own: objlib COMMAND --help.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 1 done with failures or differences, 2 usage or configuration, 3 backend unreachable or
    refused, 130 interrupted.
    """
    with terminal.guarded():
        return _run(sys.argv[1:] if arguments is None else arguments)


def _run(said: Sequence[str]) -> int:
    say = partial(_say, is_verbose="-vv" in said, as_json=logs.wants_json(said))
    try:
        return int(cli.main(said, prog_name="objlib", standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        terminal.notice_text(error.format_message())
        return 2
    except click.ClickException as error:
        return say(_complaint(error), 2)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is wrong with that.
        terminal.nobody_reads()
        return 0
    except ObjlibError as error:
        return say(worded(error), exit_code(type(error)))
    except OSError as error:
        if error.errno not in _NO_ROOM:
            return say(_bug(error), 1)
        terminal.nobody_reads()  # what is left to print has no room either
        return say(f"cannot write {error.filename or 'the output'}: {error.strerror}", 1)
    except Exception as error:
        return say(_bug(error), 1)


def _bug(error: Exception) -> str:
    return f"a bug in objlib: {type(error).__name__}: {error}; run again with -vv and report it"


def _complaint(error: click.ClickException) -> str:
    """One line about wrong usage, and where the right one is explained."""
    message = error.format_message()
    message = (
        message[:1].lower() + message[1:] + ("" if message.endswith((".", "?", "?)")) else ".")
    )
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} See `{context.command_path} --help`." if context else message


def _say(message: str, exit_code: int, *, is_verbose: bool, as_json: bool) -> int:
    line = one_line(" ".join(message.split()))
    if as_json:
        logs.say_as_json(line, logging.ERROR, sys.exc_info() if is_verbose else None)
        return exit_code
    if is_verbose and (error := sys.exception()) is not None:
        terminal.notice_text(terminal.trace_lines(error))
    terminal.notice(f"objlib: {line}")
    return exit_code
