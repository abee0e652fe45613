"""What every test shares: how hypothesis draws on a machine that does other work at the same time."""

from hypothesis import HealthCheck, settings

# Both only measure the machine's load; the pytest time-out still ends a test that hangs.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
