"""The faults of kafka-python 3.0.12 that the relay mends or works around, and its every reach into that client.

Each part states the fault, its place in kafka-python, and what it costs the relay. Its test shows each
fault on the client as it is released: when a release mends one, its test fails, and the part can go. The parts
rely on names that kafka-python does not promise, so `patch_client` refuses a release that has not been checked.

Three more faults need no reach into the client, and are met where they would harm:
* one leader that does not answer fails a request for the ends of all partitions: `Ends` asks one by one;
* partitions stop delivering silently (issues 3106 and 3131 of github.com/dpkp/kafka-python): `stall_watchdog`;
* ``flush`` fails when a batch with one record that is too large is split, and hides which it was: `Transactions`.
"""
