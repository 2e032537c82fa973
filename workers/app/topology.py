"""topics.yaml as frozen models: which topics there are, and which worker does what with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workers.app.topology_values import ConfigValue, Count, PositiveSeconds, Seconds, Size

KIB = 1024
MIB = 1024 * KIB

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
    """A worker that delivers topics to a vendor; each default is the contract's."""

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
    request_timeout: PositiveSeconds = 30.0  # total, not per read
    retry: Retry = Retry()
    drain: Seconds = 30.0
    options: Any = None  # the vendor's own model (`Vendor.sink_options`); its keys stand beside the others

    @property
    def parked_state(self) -> str:
        """The compacted topic with the fence of each parked order."""
        return f"{self.parks}-state"

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"relay.{self.name}"


@dataclass(frozen=True, slots=True)
class Topology:
    """All of topics.yaml, checked."""

    version: Literal[1]
    file: Path
    topics: Mapping[str, TopicSpec]
    workers: Mapping[str, SinkSpec]
