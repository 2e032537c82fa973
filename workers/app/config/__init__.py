"""What did I set? topics.yaml and the environment, read and checked as one."""
