"""``python -m workers`` is ``relay``."""

from workers.cli.main import main

main()
