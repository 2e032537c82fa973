"""Recorded ``/metrics`` of real runs with a fault in each, from which the tests of the alerts are made.

``python -m workers.devkit.recordings SCENE`` records one again: a Kafka, a simulated vendor and the workers run for
a minute or two, and every metric is read again and again, as Prometheus would. Tests never record: they read the files.
"""
