"""Vendors: `contract` is what every one keeps to, `_shared` what several use; each other folder is one vendor."""
