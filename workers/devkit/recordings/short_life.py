"""``python -m workers.devkit.recordings.short_life run ...``: relay, to which Komet says that it keeps a half-made
order for a minute; three days would take as long to record.
"""

from __future__ import annotations

from dataclasses import replace

from workers.cli.main import main
from workers.vendors import komet

if __name__ == "__main__":
    komet.VENDOR = replace(komet.VENDOR, half_made_life_s=60.0)
    main()
