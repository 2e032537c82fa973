"""How a client finds its brokers, logs in and joins its group."""

import random
import ssl
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from kafka import KafkaConsumer
from kafka.cluster import ClusterMetadata
from kafka.net.compat import KafkaNetClient
from kafka.net.sasl import get_sasl_mechanism, register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram
from kafka.net.transport import KafkaSSLTransport

from workers.edges.log import log
from workers.edges.tls import STRICT

T = TypeVar("T")

# Brokers that have all changed their addresses. kafka-python asks the bootstrap addresses until it knows the brokers,
# and then only the brokers that it knows (manager.py, `least_loaded_node`). When none of these answers any more, it
# asks them for ever. Java's clients go back to the bootstrap addresses (KIP-899, KIP-1102), and so do ours.

REBOOTSTRAP_AFTER_S = 5.0  # without an answer to a question for metadata
LOG_EVERY_S = 60.0  # one line for all clients of the process
RELEASED_REFRESH = ClusterMetadata._do_refresh_metadata  # noqa: SLF001 - no public way
"""As kafka-python released it."""


class Refreshes:
    """Asks for metadata: while no broker answers, one of those that are known or a bootstrap address."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failing_since: WeakKeyDictionary[Any, float] = WeakKeyDictionary()  # by the client's metadata
        self._log_due = clock()

    async def ask(self, cluster: Any, node_id: Any) -> None:
        """Raises what the released function raises; the client then asks again."""
        silent_s = self._clock() - self._failing_since.get(cluster, self._clock())
        if node_id is None and silent_s >= REBOOTSTRAP_AFTER_S:
            self._log_addresses(cluster, silent_s)
            node_id = random.choice([None, *(one.node_id for one in cluster.bootstrap_brokers())])  # noqa: S311 - no secret
        try:
            await RELEASED_REFRESH(cluster, node_id)
        except Exception:
            self._failing_since.setdefault(cluster, self._clock())
            raise
        self._failing_since.pop(cluster, None)

    def _log_addresses(self, cluster: Any, silent_s: float) -> None:
        tried = sorted({f"{one.host}:{one.port}" for one in (*cluster.brokers(), *cluster.bootstrap_brokers())})
        if self._clock() < self._log_due or len(tried) == 1:  # the only address: `kafka_unreachable` names it
            return
        self._log_due = self._clock() + LOG_EVERY_S
        log.info("kafka_asks_everywhere", tried=tried, detail=f"no broker has answered for {silent_s:.0f} s")


_REFRESHES = Refreshes()


def _refresh_from_anywhere(cluster: Any, node_id: Any) -> Any:
    return _REFRESHES.ask(cluster, node_id)


# A password that changes. kafka-python takes the password once, with the client's options, and uses it for every
# later login. Its registry of mechanisms lets each login ask for the password of the moment instead: a password that
# was changed in its file needs no restart. A missing feature, not a fault; no upstream issue is known.

_PASSWORD = "sasl_plain_password"  # noqa: S105 - the option's name
_MECHANISMS = {"PLAIN": SaslMechanismPlain, "SCRAM-SHA-256": SaslMechanismScram, "SCRAM-SHA-512": SaslMechanismScram}


def _asks_for_password(mechanism: Callable[..., Any]) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        password = options.get(_PASSWORD)
        return mechanism(**options | {_PASSWORD: password() if callable(password) else password})

    return make


# Certificates. kafka-python checks them less strictly than Python's default context does on 3.13 (transport.py,
# `_build_ssl_context`): one authority would be good enough for the brokers, and not for the registry.

_RELEASED_CONTEXT = KafkaSSLTransport._build_ssl_context  # noqa: SLF001 - no public way


def strict_context(options: Mapping[str, Any]) -> ssl.SSLContext:
    """The TLS context of a connection; ``options``: kafka-python's that begin with ``ssl_``."""
    context: ssl.SSLContext = _RELEASED_CONTEXT(KafkaSSLTransport.DEFAULT_CONFIG | options)
    context.verify_flags |= STRICT
    return context


# A constructor that fails. `KafkaConsumer`, `KafkaProducer` and `KafkaAdminClient` start an IO thread and then connect;
# when that fails, the thread runs on, and the object that could stop it was never made: a worker that tries again for
# an hour would have hundreds of threads. Nor does the error say why: each attempt's own error is only logged. And a TLS
# handshake has no time limit (manager.py, `_build_transport`): at a listener that never answers, the constructor never
# returns. No upstream issue is known.

STOP_AFTER_S = 1.0  # beyond ``bootstrap_timeout_ms``, by which the released constructor has ended unless it hangs


def construct(make: Callable[..., T], options: Mapping[str, Any], failed: Callable[[BaseException], None]) -> T:
    """Make a client; raises what its constructor raises, and leaves no thread behind.

    ``failed`` is called on the IO thread with the error of each connection that could not be opened.
    """
    made: list[Any] = []
    stopped = threading.Event()

    def not_opened(error: BaseException) -> None:
        if not stopped.is_set():  # else we have closed it
            failed(error)

    def keep(**config: Any) -> Any:
        made.append(KafkaNetClient(**config))
        watch_connections(made[-1]._manager, not_opened)  # noqa: SLF001 - no public way
        return made[-1]

    def stop() -> None:
        stopped.set()
        for client in made:
            client.close()
            client._manager._net.stop()  # noqa: SLF001 - no public way

    limit = threading.Timer(options["bootstrap_timeout_ms"] / 1000 + STOP_AFTER_S, stop)
    limit.daemon = True
    limit.start()
    try:
        return make(**options, kafka_client=keep)
    except Exception:
        stop()
        raise
    except BaseException:  # Ctrl-C: the IO thread may be in a look-up of a name, which nothing can end
        threading.Thread(target=stop, daemon=True).start()
        raise
    finally:
        end_timer(limit)


def end_timer(timer: threading.Timer) -> None:
    """Cancel it, and leave no thread behind."""
    timer.cancel()
    if timer.is_alive():
        timer.join(0.5)


def watch_connections(connections: Any, failed: Callable[[BaseException], None]) -> None:
    """Have ``failed`` called on the IO thread with the error that a connection failed to open with, or was lost by."""
    connect = connections._connect  # noqa: SLF001 - no public way

    def watched(node: Any, connection: Any, **options: Any) -> Any:
        connection.close_future.add_errback(failed)
        return connect(node, connection, **options)

    connections._connect = watched  # noqa: SLF001 - no public way


# A join that is forgotten. The group's leader revokes its partitions because the topics' metadata differ from those of
# its assignment; when they agree again before it has joined (a metadata answer during a topic's creation),
# `ConsumerCoordinator.need_rejoin` is false, and no join follows: a member without partitions for good. No upstream
# issue is known.


def keep_join_requested(consumer: KafkaConsumer) -> None:
    """Make the join follow, whatever the metadata say then; to be called in each revocation."""
    consumer._coordinator.request_rejoin()  # noqa: SLF001 - no public way


# A topic that was deleted and created again has another id (KIP-516). kafka-python notes it, and only logs it.


def topic_ids(consumer: KafkaConsumer) -> dict[str, Any]:
    """The ids of the topics in the consumer's metadata, by name."""
    return dict(consumer._client.cluster._topic_ids)  # noqa: SLF001 - no public way


def patch() -> None:
    """Connect as this module does."""
    ClusterMetadata._do_refresh_metadata = _refresh_from_anywhere  # noqa: SLF001 - no public way
    KafkaSSLTransport._build_ssl_context = staticmethod(strict_context)  # noqa: SLF001 - no public way
    for name, mechanism in _MECHANISMS.items():
        if get_sasl_mechanism(name) is mechanism:
            register_sasl_mechanism(name, _asks_for_password(mechanism), overwrite=True)
