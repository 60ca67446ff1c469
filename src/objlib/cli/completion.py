"""objlib completion"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from objlib.cli import terminal
from objlib.cli.main import COMPLETE_VARIABLE, cli
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options

#: Click's script for bash breaks paths at spaces; as file names they are quoted by readline.
_UNQUOTED = "COMPREPLY+=($value)"
_QUOTED = """COMPREPLY+=("$value")
            [[ $value == */* ]] && compopt -o filenames 2>/dev/null"""


@click.command(
    "completion",
    cls=Manual,
    examples=[
        'eval "$(objlib completion bash)"',
        "objlib completion zsh > ~/.zfunc/_objlib",
        "objlib completion fish > ~/.config/fish/completions/objlib.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
def command(invocation: Invocation, shell: str) -> int:
    """Print what makes a shell complete objlib: commands, options, and files of the catalog.

    For bash, put the first example into ~/.bashrc. zsh and fish read a file from a folder of
    theirs; start a new shell afterwards.
    """
    completion = get_completion_class(shell)
    assert completion is not None, "click knows all three"
    source = completion(cli, {}, "objlib", COMPLETE_VARIABLE).source()
    terminal.say_text(source.replace(_UNQUOTED, _QUOTED) if shell == "bash" else source)
    return 0
