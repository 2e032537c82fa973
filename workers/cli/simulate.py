"""``relay simulate VENDOR``: a vendor to try against, without an account."""

import asyncio
import signal
from typing import Any

import click

from workers.cli.output import show_line

EXAMPLE = """Answers as the vendor's documentation says, on loopback, until Ctrl-C.

\b
Example:
  relay simulate ecdp --port 8090 --latency 50ms --error-rate 0.05
  curl -X POST localhost:8090/_sim/faults -d '{"throttle": "3s", "for": "10s"}'
  curl localhost:8090/_sim/stats

Each fault may be set at the start (--fault NAME=VALUE, as often as needed) or live; GET /_sim/faults lists them.
GET /_sim/orders and /_sim/log show what the simulator has applied. The first word printed is the base URL.
What dcl, e2cc, ecourier and komet hold changes by itself, `changes` a second (ecourier: 0 until set); by hand, too:

\b
  curl localhost:8090/_sim/orders -d '{"order_number": "OR-1", "status": "A", "event": {"EventType": "Pickup"}}'
  curl localhost:8090/_sim/orders -d '{"fill": 1000, "items": 100}'                  # e2cc: more books
  curl localhost:8090/_sim/orders -d '{"order": "SO057001", "status": "Completed"}'  # e2cc
"""


@click.command("simulate", help=EXAMPLE, no_args_is_help=True)
@click.argument("vendor")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 picks a free one.")
@click.option(
    "--control-port", type=click.IntRange(0, 65535), default=0, help="Second port for /_sim/, up in any fault."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--api-key", "secret", default="demo-key", show_default=True, help="The key or password to expect.")
@click.option("--latency", metavar="DURATION", help="Wait before every answer, such as 50ms.")
@click.option("--error-rate", metavar="SHARE", help="Share of requests answered with a 5xx, 0 to 1.")
@click.option("--fault", "faults", metavar="NAME=VALUE", multiple=True, help="Set any knob of /_sim/faults.")
@click.option("--light", is_flag=True, help="For benchmarks: no fault but latency, no content kept.")
def simulate(
    vendor: str, *, latency: str | None, error_rate: str | None, faults: tuple[str, ...], **options: Any
) -> None:
    """Start the simulator and serve until SIGINT or SIGTERM."""
    from workers.devkit.simulators import SimulatorOptions, UnknownSimulatorError, load, names

    try:
        maker = load(vendor)
    except UnknownSimulatorError as error:
        raise click.UsageError(f"there is no simulator of {vendor!r}; there are: {', '.join(names())}") from error
    short = {"latency": latency, "error_rate": error_rate}
    given = [*faults, *(f"{name}={value}" for name, value in short.items() if value)]
    keep_content = not options.pop("light")
    simulator = maker(SimulatorOptions(**options, keep_content=keep_content, faults=_faults(given)))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(simulator, vendor, options["secret"]))


def _faults(given: list[str]) -> Any:
    """Read ``NAME=VALUE``; a value may be JSON, or a plain text such as 50ms."""
    import orjson
    from pydantic import ValidationError

    from workers.devkit.simulators.faults import QUIET

    knobs: dict[str, Any] = {}
    for each in given:
        name, _, text = each.partition("=")
        try:
            knobs[name.strip()] = orjson.loads(text)
        except orjson.JSONDecodeError:
            knobs[name.strip()] = text
    try:
        return QUIET.changed(knobs)
    except ValidationError as error:
        explained = _explained(error.errors()[0], sorted(knobs), sorted(type(QUIET).model_fields))
        raise click.UsageError(explained) from error


def _explained(fault: Any, given: list[str], known: list[str]) -> str:
    """Say what is wrong with a knob, in one line."""
    if fault["type"] == "extra_forbidden":
        return f"there is no fault knob {set(given).difference(known).pop()!r}; there are: {', '.join(known)}"
    return f"fault {'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"


def _loop_factory() -> Any:
    """Prefer uvloop where there is one: a third more requests a second."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(simulator: Any, vendor: str, secret: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        base_url = await simulator.start()
    except OSError as error:
        raise click.ClickException(f"cannot listen: {error.strerror}; choose another --port") from error
    show_line(f"{base_url} simulates {vendor} (key {secret}, control {simulator.control_url}/_sim/faults)")
    try:
        await stop.wait()
    finally:
        await simulator.stop()
