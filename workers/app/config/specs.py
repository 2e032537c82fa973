"""What topics.yaml holds, as frozen models: the topics, and the workers that read and write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, field_validator, model_validator

from workers.app.config.values import (
    DAY_S,
    HOUR_S,
    MIB,
    ConfigValue,
    Count,
    PositiveSeconds,
    Prefix,
    Seconds,
    Session,
    Size,
    TopicName,
    Written,
)
from workers.vendors.contract import Vendor, load

POLLER_KEYS = frozenset({"publishes", "state", "every"})
INNER = frozenset({"name", "options", "file"})
"""Fields that no key of the file sets: a block's name is its own key, the vendor's keys are among the others."""


class Block(BaseModel):
    """A block of keys. No error of it holds the value, which may be secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TopicSpec(Block):
    """A topic as it must be on the cluster."""

    name: TopicName  # the block's own key
    schema_file: Annotated[Path, Written("path")] | None = Field(
        None,
        alias="schema",
        description="The Avro schema's file, relative to topics.yaml (none: any bytes).",
    )
    partitions: Count = Field(description="How many partitions; one process at a time owns each.")
    replication_factor: Count = Field(3, description="On how many brokers each partition is.")
    config: dict[str, ConfigValue] = Field(
        {}, description="Kafka's own topic settings. Only those named here are compared with the cluster."
    )


class Batch(Block):
    """Several records in one request to the vendor."""

    max_orders: Count = Field(100, description="A request holds at most so many records.")
    max_bytes: Size = Field(MIB, description="A request's body is at most so long.")
    linger: Seconds = Field(0.02, description="A record waits at most so long for others to share its request.")


class Retry(Block):
    """When a record is tried again that the vendor did not take."""

    first: PositiveSeconds = Field(0.2, description="The first wait. It doubles with each failure, with jitter.")
    max: PositiveSeconds = Field(30.0, description="No wait is longer.")
    give_up_after: PositiveSeconds = Field(900.0, description="A record that fails alone for so long is parked.")


class PollRetry(Block):
    """When a vendor that does not answer is asked again. A poller never gives up: its cursor waits."""

    first: PositiveSeconds = Field(1.0, description="The first wait. It doubles with each failure, with jitter.")
    max: PositiveSeconds = Field(60.0, description="No wait is longer.")


class BudgetSpec(Block):
    """How many requests the vendor takes with one key, whichever worker or command sends them."""

    requests: Count = Field(1_000, description="So many in any stretch of `per`.")
    per: PositiveSeconds = Field(DAY_S, description="The stretch: in each of them, wherever it begins.")
    reserve: Count | None = Field(
        None,
        description="So many of them only the sink and commands that change something may use; polls go without them "
        "(not given: three tenths).",
    )


class WorkerSpec(Block):
    """What sinks and pollers have in common."""

    name: str  # the block's own key
    vendor: str = Field(description="The folder of workers/vendors that knows the vendor's API.")
    credentials: Prefix = Field(
        description="The prefix of the vendor's variables (the vendor's name in capitals). A second account is a "
        "second worker with another prefix."
    )
    max_in_flight: Count = Field(64, description="Requests to the vendor at one time, in one process.")
    request_timeout: PositiveSeconds = Field(30.0, description="For a whole request, from connecting to the last byte.")
    drain: Seconds = Field(30.0, description="On shutdown, how long requests in flight may take to finish.")
    session: Session = Field(
        45.0,
        description="A process that is silent for so long loses its partitions to others; one that returns within "
        "it keeps them, unless it has left (`leave`). Vendor requests wait once the group has not confirmed the "
        "membership for three quarters of it.",
    )
    leave: bool = Field(
        True,
        description="Whether a process that is stopped leaves its consumer group: others have its partitions at once. "
        "false: they wait for its restart, until `session` ends.",
    )
    budget: BudgetSpec | None = Field(
        None,
        description="Requests that the vendor allows to the account, all workers and commands together. It is counted "
        "in the state topic of the account's poller (not given: by the vendor, or no limit).",
    )
    options: Any = None  # the vendor's own model; its keys are written among the others

    @field_validator("options")
    @classmethod
    def _vendors_own_keys(cls, given: Any, info: ValidationInfo) -> Any:
        """Keys are validated by the vendor's model; a model is taken as it is."""
        if not isinstance(given, dict):
            return given
        model = options_of(load(info.data["vendor"]), poller=cls is PollerSpec)
        return model.model_validate(given) if model else None

    @property
    def account(self) -> tuple[str, str]:
        """The same for all workers of one account at a vendor."""
        return self.vendor, self.credentials

    @property
    def group(self) -> str:
        """The consumer group, which assigns the partitions to processes."""
        return f"relay.{self.name}"


class SinkSpec(WorkerSpec):
    """A worker that delivers the records of topics to a vendor."""

    consumes: Annotated[tuple[TopicName, ...], Field(min_length=1)] = Field(
        description="The topics to deliver. Their records are merged by the broker's clock, so an order's events stay "
        "in sequence."
    )
    parks: TopicName = Field(
        description="The dead-letter topic: refused records wait here for `relay parked replay`, in order. The "
        "compacted topic of this name with -state holds the per-order blocks (fences)."
    )
    receipts: TopicName | None = Field(
        None,
        description="What the sink did with each record that it finished (docs/receipts.md); not given: the name of "
        "`parks` with -receipts for its -parked, or none where topics.yaml has no such topic.",
    )
    tracks: TopicName | None = Field(
        None, description="The compacted topic with what was last sent of each order, if the vendor's sink needs it."
    )
    batch: Batch = Field(Batch(), description=Batch.__doc__)
    max_unfinished: Count = Field(
        10_000, description="Backpressure: records fetched but not finished, over all partitions of a process."
    )
    max_unfinished_bytes: Size = Field(48 * MIB, description="The same bound in bytes.")
    merge_wait: Seconds = Field(
        10.0, description="While one consumed topic cannot be fetched, how long the others' records wait for it."
    )
    publish_skew: Seconds = Field(
        1.0,
        description="How far a status may be appended before its create by a publisher that waits for no "
        "acknowledgement: so long a status of an order that this process has not delivered waits for its create.",
    )
    remembered_orders: Count = Field(
        50_000, description="So many delivered orders, or more, are remembered: their statuses need not wait."
    )
    unknown_order_wait: Seconds = Field(
        300.0, description="How long a status waits for the create of an order that the vendor does not know."
    )
    suspect_after: Count = Field(
        50,
        description="After so many refused orders in a row, with none delivered, the circuit breaker opens: parking "
        "stops, and the vendor is probed. A partition stops after so many records of one schema, none of which "
        "decodes.",
    )
    max_parked_per_order: Count = Field(
        1_000, description="An alert is raised at so many parked records of one order. Parking goes on."
    )
    max_parked: Count = Field(
        100_000, description="An alert is raised at so many parked records in the partitions of one process."
    )
    parked_history: PositiveSeconds = Field(
        7 * DAY_S,
        description="Records that were replayed or discarded are removed at this age; `relay order` shows them "
        "until then.",
    )
    retry: Retry = Field(Retry(), description=Retry.__doc__)

    @model_validator(mode="before")
    @classmethod
    def _receipts_named_after_parks(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(parks := given.get("parks"), str):
            return {"receipts": f"{parks.removesuffix('-parked')}-receipts", **given}
        return given

    @property
    def parked_state(self) -> str:
        """The compacted topic with the fence of each parked order."""
        return f"{self.parks}-state"

    def transactional_id(self, instance: str) -> str:
        """Kafka's id of the writer of this process."""
        return f"{self.group}.{instance}"

    @property
    def own_topics(self) -> tuple[str, ...]:
        """Topics that it both writes and reads."""
        return (self.parks, self.parked_state, *([self.tracks] if self.tracks else []))

    @property
    def written_topics(self) -> tuple[str, ...]:
        """Topics that it writes to, in the partition number of the source."""
        return (*self.own_topics, *([self.receipts] if self.receipts else []))


class LookAgain(Block):
    """A slower second reading of time ranges that the cursor has passed."""

    every: PositiveSeconds = Field(HOUR_S, description="How often.")
    back: PositiveSeconds = Field(6 * HOUR_S, description="How far back it reads.")


class SlowerLook(Block):
    """A row of an order poller's schedule. The last row that matches an order counts."""

    quiet_for: Seconds = Field(description="The order has not changed for so long.")
    every: PositiveSeconds = Field(description="Then it is polled so often.")
    status: str | None = Field(None, description="Only in this status of the vendor's (none: any).")


SLOWER = (
    SlowerLook(quiet_for="10m", every="1m"),
    SlowerLook(quiet_for="10m", status="A", every="2m"),
    SlowerLook(quiet_for="2d", every="15m"),
)


class SetSpec(Block):
    """One of the sets that a poller reads."""

    every: PositiveSeconds = Field(
        description="How often it is read. A vendor whose answers take long is asked more seldom."
    )


class PollerSpec(WorkerSpec):
    """A worker that asks a vendor for changes and publishes them.

    With ``follows`` it polls those orders one by one; with ``sets`` it reads lists and compares them; with neither it
    reads all that changed in a time range.
    """

    publishes: Annotated[tuple[TopicName, ...], Field(min_length=1)] = Field(
        description="One topic for each kind of event that the poller publishes."
    )
    state: TopicName = Field(
        description="The compacted topic with cursors and last published orders. Each of its partitions is a shard."
    )
    max_in_flight: Count = Field(4, description="Requests to the vendor at one time, in one process.")
    every: PositiveSeconds = Field(
        60.0, description="How often the vendor is polled; with `follows`, an order that changed just now (30s)."
    )
    sets: dict[str, SetSpec] = Field(
        {},
        description="The vendor's lists to read, each with `every`; a list that is not named is not read (not given: "
        "all of the vendor's, where it has lists).",
    )
    settle_lag: Seconds = Field(
        300.0, description="How late a change may appear at the vendor: the cursor stays so far behind the present."
    )
    lookback: PositiveSeconds = Field(7 * DAY_S, description="How far back the very first poll reads.")
    look_again: LookAgain = Field(LookAgain(), description=LookAgain.__doc__)
    sweep_every: PositiveSeconds = Field(DAY_S, description="How often every open order is read by its number.")
    follows: TopicName | None = Field(
        None, description="The topic with the orders to poll: what the vendor's sink `tracks`."
    )
    slower: tuple[SlowerLook, ...] = Field(
        SLOWER, description="How often an order is polled that has not changed for a while."
    )
    grace: PositiveSeconds = Field(
        DAY_S, description="A delivered or cancelled order is polled for so long, in case of late events; then no more."
    )
    give_up_after: PositiveSeconds = Field(60 * DAY_S, description="An order without any change for so long: the same.")
    rest: PositiveSeconds = Field(
        30 * DAY_S, description="An order in a final stage for so long keeps only its sequence number and a hash."
    )
    forget_after: PositiveSeconds = Field(400 * DAY_S, description="After so long it is removed from the state topic.")
    retry: PollRetry = Field(PollRetry(), description=PollRetry.__doc__)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that a shard is made of: the same partition number of each."""
        return (self.state,) if self.follows is None else (self.state, self.follows)

    def transactional_id(self, shard: int) -> str:
        """Kafka's id of a shard's writer: the process that opened it last may write, all former ones may not."""
        return f"{self.name}-{shard}"


def is_poller(block: Any) -> bool:
    """Whether a worker's block is a poller's, by its keys."""
    return isinstance(block, Mapping) and not POLLER_KEYS.isdisjoint(block) and "consumes" not in block


def options_of(vendor: Vendor, *, poller: bool) -> type[BaseModel] | None:
    return vendor.poller_options if poller else vendor.sink_options


def _worker(block: Any) -> SinkSpec | PollerSpec:
    if isinstance(block, SinkSpec | PollerSpec):
        return block
    return (PollerSpec if is_poller(block) else SinkSpec).model_validate(block)


Worker: TypeAlias = Annotated[SinkSpec | PollerSpec, PlainValidator(_worker), Written("sink or poller")]


class Config(Block):
    """All of topics.yaml, checked."""

    file: Path
    version: Literal[1] = Field(description="1, the only version that this relay reads.")
    topics: dict[str, TopicSpec] = Field(description="A block for each topic, by its name.")
    workers: dict[str, Worker] = Field(description="A block for each worker, by its name.")

    @property
    def sinks(self) -> dict[str, SinkSpec]:
        return {name: spec for name, spec in self.workers.items() if isinstance(spec, SinkSpec)}

    @property
    def pollers(self) -> dict[str, PollerSpec]:
        return {name: spec for name, spec in self.workers.items() if isinstance(spec, PollerSpec)}
