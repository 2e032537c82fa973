"""Hypothesis: more examples where it counts, the same ones on every run in CI."""

import os

from hypothesis import HealthCheck, settings

SLOW_MACHINE = (HealthCheck.too_slow, HealthCheck.data_too_large)  # a loaded machine is no fault of the code

settings.register_profile("core", max_examples=50, deadline=None, suppress_health_check=SLOW_MACHINE)
settings.register_profile("core-ci", settings.get_profile("core"), max_examples=200, derandomize=True, print_blob=True)
settings.load_profile("core-ci" if os.environ.get("CI") == "true" else "core")
