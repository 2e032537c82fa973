"""``relay completion SHELL``: the script with which a shell completes commands, options and names."""

import click

from workers.cli.complete import VARIABLE
from workers.cli.output import show_lines

EXAMPLE = """Print the completion script of a shell: commands, options, and the workers and topics of topics.yaml.

The names are those of the topics.yaml in the present folder, or of RELAY_TOPOLOGY.

\b
Example:
  eval "$(relay completion bash)"     in ~/.bashrc
  eval "$(relay completion zsh)"      in ~/.zshrc, after compinit
  relay completion fish | source      in ~/.config/fish/config.fish
"""


@click.command(help=EXAMPLE)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, "click knows the three shells"
    show_lines(made(click.Command("relay"), {}, "relay", VARIABLE).source().strip().splitlines())
    return 0
