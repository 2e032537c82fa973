"""Komet's reading side: what its lists hold of the customer, for `komet-poller`."""
