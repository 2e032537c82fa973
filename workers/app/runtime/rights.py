"""What a worker must be allowed to do in Kafka: said at its start and by `relay check`, not at the first refusal."""

from collections.abc import Sequence

from workers.app.config.configuration import Configuration
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.app.events.budget_account import budget_topic
from workers.app.poll.order_ids import topic_of_references
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.rights import Rights, missing_rights
from workers.edges.log import log
from workers.vendors.contract import load

WITHIN_S = 30.0


async def rights_fault(spec: SinkSpec | PollerSpec, configuration: Configuration) -> str | None:
    """The rights that the worker's user lacks, with what to do; None: it has all. Raises `KafkaFailed`."""
    settings, wanted = configuration.settings, rights_of(spec, configuration)
    try:
        missing = await run_in_daemon_thread(lambda: missing_rights(settings.kafka, wanted), WITHIN_S)
    except TimeoutError as error:
        raise KafkaFailed(f"Kafka does not say within {WITHIN_S:g} s what {spec.name} may do") from error
    if not missing:
        return None
    return f"{spec.name}: the user {settings.kafka.username or '(none)'} lacks {', '.join(missing)}: ask for these ACLs"


async def log_missing_rights(names: Sequence[str], configuration: Configuration) -> None:
    """Log an error for each of these workers that lacks a right; where Kafka does not answer, others say that."""
    for name in names:
        try:
            fault = await rights_fault(configuration.config.workers[name], configuration)
        except KafkaFailed:
            continue
        if fault is not None:
            log.error("rights_missing", worker=name, detail=fault)


def rights_of(spec: SinkSpec | PollerSpec, configuration: Configuration) -> Rights:
    """What the worker reads and writes, and under which names."""
    counted = () if spec.budget is None else (budget_topic(configuration, spec),)
    if isinstance(spec, SinkSpec):
        reads, writes = (*spec.consumes, *spec.own_topics, *counted), (*spec.written_topics, *counted)
        name = spec.transactional_id(configuration.settings.instance_id)
        return Rights(group=spec.group, reads=reads, writes=writes, transactional_id=name)
    tracked = topic_of_references(configuration.config, spec, load(spec.vendor))
    references = () if tracked is None else (tracked.name,)
    reads = tuple(dict.fromkeys((*spec.topics, *references, *counted)))
    writes = tuple(dict.fromkeys((*spec.publishes, spec.state, *counted)))
    return Rights(group=spec.group, reads=reads, writes=writes, transactional_id=spec.transactional_id(0))
