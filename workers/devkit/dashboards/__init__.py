"""The Grafana dashboard of the chart, as typed Python: ``python -m workers.devkit.docs`` writes its JSON."""
