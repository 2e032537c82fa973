"""``relay`` whose consumer thread stops after a while, as if a call to Kafka never returned."""

from __future__ import annotations

import time
from typing import Any, Final

from kafka import KafkaConsumer

from workers.cli.main import main

_AFTER_S: Final = 20.0
_FOR_S: Final = 3_600.0


def _stop_polling_later() -> None:
    began, poll = time.monotonic(), KafkaConsumer.poll

    def stuck(consumer: Any, *arguments: Any, **options: Any) -> Any:
        if time.monotonic() - began > _AFTER_S:
            time.sleep(_FOR_S)
        return poll(consumer, *arguments, **options)

    KafkaConsumer.poll = stuck


if __name__ == "__main__":
    _stop_polling_later()
    main()
