"""The command ``relay``, light enough to answer a shell's completion within 100 ms: click alone takes longer."""

import gc
import os
import sys

from workers.cli.complete import VARIABLE, answer

INTERRUPTED = 130  # exit status


def main() -> None:
    if sys.stdout is None:  # closed by the caller (`>&-`), who wants no output
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if VARIABLE in os.environ:
        sys.stdout.write("".join(f"{line}\n" for line in answer(os.environ)))
        return
    gc.set_threshold(100_000)  # what is imported stays: to look for cycles in it takes a tenth of a command's start
    try:
        from workers.cli.commands import run
    except KeyboardInterrupt:  # the import takes a moment, in which no command can answer yet
        sys.stderr.write("relay: interrupted\n")
        sys.exit(INTERRUPTED)
    sys.exit(run(sys.argv[1:]))
