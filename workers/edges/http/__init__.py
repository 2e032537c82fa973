"""Vendor APIs over HTTP: the one that sends what flows yield."""
