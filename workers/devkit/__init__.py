"""For trying and testing: a real broker, vendor simulators, samples. Never part of a running worker."""
