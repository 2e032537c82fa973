"""`relay topics`: the difference between topics.yaml and the cluster, and how it is closed."""
