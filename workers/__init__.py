"""Order Relay: order events from Kafka to vendor APIs, vendor changes back to Kafka.

The words, in code, logs, metrics, chart and docs:

Record        one Kafka message as fetched.
Event         its decoded content.
Sink          a vendor's way to take an event: it prepares a call and delivers it.
Poller        a vendor's way to tell news.
Call          an event mapped to the vendor's wire and checked against its limits.
Flow          a conversation with a vendor: yields requests, is sent responses, returns a value.
VendorClient  runs flows; the only one that really sends.
Flight        a flow under way, with the lanes whose heads wait for what it returns.
Outcome       what the vendor's answer means for this record.
Mark          what a delivery leaves behind at the vendor, kept per order by a sink that tracks.
Lane          the records of one order, one in flight at a time.
Merge         one sequence out of a sink's co-partitioned topics.
Ledger        per partition: which offsets are unfinished, and what may be committed.
Finish        nothing more to do for a record: delivered, parked safely, or skipped.
Commit        the broker has been told.
Park          write to the parked topic and wait for its acknowledgement; then finish.
Fence         what makes later records of a parked order be parked behind it.
Gate          a vendor as a whole is open, or shut until a time.
Window        how much may be unfinished at once.
Span          a stretch of the vendor's time that a poller asks for.
Look          one order as a single answer of the vendor shows it.
Shadow        what a poller remembers of an order: enough to tell what has changed.
Step          what a poller writes at once: events, shadows and cursor, all or nothing.
Cursor        where a poller continues, kept in Kafka.
Shard         one partition number of a worker's topics: the unit of assignment and of failover.
Drain         take nothing new, finish what is in flight, commit, leave.
"""
