"""Komet's writing side: an order becomes a web order, for `komet-sink`."""
