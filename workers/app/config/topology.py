"""topics.yaml as frozen models: which topics there are, and which worker does what with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workers.app.config.topology_values import ConfigValue, Count, PositiveSeconds, Seconds, Session, Size

KIB = 1024
MIB = 1024 * KIB
HOUR = 3600.0
DAY = 24 * HOUR

TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Prefix = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TopicSpec(_Model):
    """A topic as it is wanted on the cluster."""

    name: TopicName
    schema_file: Path | None = Field(default=None, alias="schema")  # absolute; None: the values have no schema of ours
    partitions: Count
    replication_factor: Count = 3
    config: dict[str, ConfigValue] = {}  # only what is named here is compared with the cluster


class Batch(_Model):
    """How many calls share one vendor request."""

    max_orders: Count = 100
    max_bytes: Size = MIB
    linger: Seconds = 0.02  # how long a call waits for company


class Retry(_Model):
    """How long an order that the vendor does not take is tried again."""

    first: PositiveSeconds = 0.2
    max: PositiveSeconds = 30.0
    give_up_after: PositiveSeconds = 900.0


class SinkSpec(_Model):
    """A worker that delivers topics to a vendor."""

    name: str
    vendor: str
    consumes: Annotated[tuple[TopicName, ...], Field(min_length=1)]
    parks: TopicName
    tracks: TopicName | None = None  # where the marks of deliveries are kept; None: the vendor's leave none
    credentials: Prefix  # prefix of the vendor's variables
    max_in_flight: Count = 64  # vendor requests at once, this process
    batch: Batch = Batch()
    max_unfinished: Count = 10_000  # records fetched but unfinished, all partitions together
    max_unfinished_bytes: Size = 48 * MIB
    merge_wait: Seconds = 10.0  # how long a record waits for the sink's other topic while that cannot be fetched
    unknown_order_wait: Seconds = 300.0  # how long a status waits for a create that the vendor does not know
    suspect_after: Count = 50  # orders refused in a row, none delivered: the gate shuts
    max_parked_per_order: Count = 1_000  # at so many an alert; parking goes on, for a lane that waited would hold all
    max_parked: Count = 100_000  # records in all, in this process's partitions: the same
    parked_history: PositiveSeconds = 7 * DAY  # what is parked no more is kept so long, for `relay order`
    request_timeout: PositiveSeconds = 30.0  # total, not per read
    retry: Retry = Retry()
    drain: Seconds = 30.0
    session: Session = 45.0  # a process silent for so long has lost its partitions; one back within it keeps them
    options: Any = None  # the vendor's own model (`Vendor.sink_options`); its keys stand beside the others

    @property
    def parked_state(self) -> str:
        """The compacted topic with the fence of each parked order."""
        return f"{self.parks}-state"

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"relay.{self.name}"


class PollRetry(_Model):
    """How a vendor that does not answer is asked again: for ever, for nothing moves before."""

    first: PositiveSeconds = 1.0
    max: PositiveSeconds = 60.0


class LookAgain(_Model):
    """A slower look at what the windows have passed."""

    every: PositiveSeconds = HOUR
    back: PositiveSeconds = 6 * HOUR


class SlowerLook(_Model):
    """A line of an order poller's table: the last one that fits an order counts."""

    quiet_for: Seconds  # without news of the order
    every: PositiveSeconds
    status: str | None = None  # the vendor's; None: any


SLOWER = (
    SlowerLook(quiet_for="10m", every="1m"),
    SlowerLook(quiet_for="10m", status="A", every="2m"),
    SlowerLook(quiet_for="2d", every="15m"),
)


class PollerSpec(_Model):
    """A worker that asks a vendor for news and publishes it.

    One that has ``follows`` looks at those orders one by one; any other reads stretches of the vendor's time.
    """

    name: str
    vendor: str
    publishes: Annotated[tuple[TopicName, ...], Field(min_length=1)]
    state: TopicName  # compacted; a partition is a shard
    credentials: Prefix  # prefix of the vendor's variables
    every: PositiveSeconds = 60.0
    settle_lag: Seconds = 300.0  # how late a change may show: the cursor stays so far behind
    lookback: PositiveSeconds = 7 * DAY  # first start only
    look_again: LookAgain = LookAgain()
    sweep_every: PositiveSeconds = DAY  # every open order, by name
    follows: TopicName | None = None  # the orders to look at, as their sink tracks them
    slower: tuple[SlowerLook, ...] = SLOWER  # how often an order is looked at that has been quiet; before, every
    grace: PositiveSeconds = DAY  # an order quiet so long at its end is looked at no more
    give_up_after: PositiveSeconds = 60 * DAY  # nor is one quiet so long anywhere
    rest: PositiveSeconds = 30 * DAY  # an order so long at its end shrinks to its sequence and hash
    forget_after: PositiveSeconds = 400 * DAY  # and so long, is forgotten
    max_in_flight: Count = 4  # vendor requests at once, this process
    request_timeout: PositiveSeconds = 30.0  # total, not per read
    retry: PollRetry = PollRetry()
    drain: Seconds = 30.0
    session: Session = 45.0  # a process silent for so long has lost its partitions; one back within it keeps them
    options: Any = None  # the vendor's own model (`Vendor.poller_options`); its keys stand beside the others

    @property
    def group(self) -> str:
        """The consumer group, which shares out the shards."""
        return f"relay.{self.name}"

    @property
    def topics(self) -> tuple[str, ...]:
        """Whose partitions a shard has: one number of each."""
        return (self.state,) if self.follows is None else (self.state, self.follows)

    def transactional_id(self, shard: int) -> str:
        """The right to write for a shard: whoever opened it last has it."""
        return f"{self.name}-{shard}"


@dataclass(frozen=True, slots=True)
class Topology:
    """All of topics.yaml, checked. A worker's name is given once, to a sink or to a poller."""

    version: Literal[1]
    file: Path
    topics: Mapping[str, TopicSpec]
    sinks: Mapping[str, SinkSpec]
    pollers: Mapping[str, PollerSpec] = field(default_factory=dict)

    def spec(self, name: str) -> SinkSpec | PollerSpec:
        """The worker of that name; raises `KeyError`."""
        return self.sinks[name] if name in self.sinks else self.pollers[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Every worker's."""
        return (*self.sinks, *self.pollers)
