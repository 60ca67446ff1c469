"""objlib completion"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from objlib.cli.main import COMPLETE_VARIABLE, cli
from objlib.cli.options import Invocation, common_options


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
def command(invocation: Invocation, shell: str) -> int:
    """Print what makes a shell complete commands and options.

    \b
    Example:
      eval "$(objlib completion bash)"                                  # in ~/.bashrc
      objlib completion zsh > "${fpath[1]}/_objlib"
      objlib completion fish > ~/.config/fish/completions/objlib.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None, "click knows all three"
    click.echo(completion(cli, {}, "objlib", COMPLETE_VARIABLE).source())
    return 0
