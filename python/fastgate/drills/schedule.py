"""Drills of the configuration: `[drills.<id>]` as drills with a beginning and an end."""

from fastgate.config.resilience_settings import Drill as Entry
from fastgate.config.settings import Settings
from fastgate.drills.drill import WHEN_READ, Drill

# A percentage is read in millionths.
_MILLIONTHS = 1_000


def scheduled(settings: Settings) -> tuple[Drill, ...]:
    """The drills that a configuration asks for; those without a time begin at `WHEN_READ`."""
    return tuple(_drill(drill_id, entry) for drill_id, entry in settings.drills.items())


def _drill(drill_id: str, entry: Entry) -> Drill:
    """The settings' types are numbers that JSON does not know: they are made plain here."""
    starts_unix_ms = WHEN_READ if entry.start is None else int(entry.start) * 1000
    return Drill(
        id=drill_id,
        provider=entry.provider,
        # The engine draws in thousandths; a share that is not nothing stays one.
        permille=max(1, (entry.percent + _MILLIONTHS // 2) // _MILLIONTHS),
        tenants=None if entry.tenant is None else tuple(entry.tenant),
        features=None if entry.feature is None else tuple(entry.feature),
        starts_unix_ms=starts_unix_ms,
        ends_unix_ms=starts_unix_ms + entry.length,
        error_share_permille=int(entry.error_share),
        minimum_exchanges=entry.minimum_exchanges,
        origin="configuration",
    )
