"""The control plane: loads the configuration, starts the engine, and keeps both in step with the file.

A reload has two phases. Prepare reads, checks and compiles, and may fail: then the engine keeps what it has
and the error is logged with its line. Swap hands the tables to the engine, which validates before it lets go
of the old ones. Signals belong to the caller (`cli.serve`, or the ASGI server); a thread that calls `watch`
is all a door needs.
"""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from fastgate import _core
from fastgate.complaints import Complaints
from fastgate.config import Config, compile_tables, limit_warnings, load, load_values, route_warnings
from fastgate.config.addresses import is_loopback
from fastgate.config.findings import dotted
from fastgate.config.limit_rules import rules
from fastgate.errors import ConfigError, FastgateError, StartError
from fastgate.state_lock import StateLock

if TYPE_CHECKING:
    from fastgate.billing.ledger.process import LedgerProcess
    from fastgate.drills.running import Drills, Known
    from fastgate.jwks.following import Following
    from fastgate.limits.watching import Limits

POLL_S = 0.25

logger = logging.getLogger("fastgate.control")


class Engine(Protocol):
    """What the control plane asks of `_core.Engine`."""

    def reload(self, tables: bytes) -> None: ...
    def serve(
        self,
        *,
        listen: str,
        admin: str | None,
        threads: int,
        tls_certificate: str | None = None,
        tls_key: str | None = None,
    ) -> tuple[str, str | None]: ...
    def stop(self, grace_s: float) -> bool: ...
    def take_notices(self) -> list[tuple[bool, str]]: ...
    def set_jwks(self, issuer: str, document: bytes) -> int: ...
    def unknown_token_keys(self) -> int: ...


class Mock(Protocol):
    """What the control plane asks of `_core.MockProvider`."""

    @property
    def address(self) -> str: ...

    def stop(self) -> None: ...


class ControlPlane:
    """One gateway's configuration, lock, engine and, where nothing is configured, mock provider.

    The configuration is `file`, or `values` as `load_values` takes them.

    Raises:
        ConfigError: The configuration is wrong.
        StartError: The state directory is taken or unusable.
    """

    _open: ClassVar["weakref.WeakSet[ControlPlane]"] = weakref.WeakSet()

    def __init__(
        self,
        file: Path | None,
        environment: Mapping[str, str],
        *,
        listen: str | None = None,
        values: Mapping[str, Any] | None = None,
        make_engine: Callable[[bytes], Engine] | None = None,
        make_mock: Callable[[], Mock] | None = None,
        lock: bool = True,
    ) -> None:
        self._file = file
        self._values = values
        self._environment = environment
        self._listen = listen
        self._make_mock = make_mock
        self._mock: Mock | None = None
        self._serving = False
        self.admin_address: str | None = None
        """Where the admin listener is bound."""
        self._closing = threading.Lock()
        self._closed = False
        # The file's watcher, a signal and the admin API may all ask for one.
        self._reloading = threading.RLock()
        self.started_s = time.monotonic()
        self.generation = 1
        """Configurations put in force."""
        self._seen = self._settled = signature(file)
        self.config = self._load()
        server = self.config.settings.server
        # What the running listener is bound to; a reload can't change it.
        self._active_server = server
        self._active_label_values = self.config.settings.telemetry.label_values
        if not lock:
            check_shared(self.config)
        self._lock = StateLock(self.config.resolve(server.state_dir)) if lock else None
        try:
            tables = self._compile(self.config)
            if make_engine is not None:
                self.engine: Engine = make_engine(tables)
            else:
                self.engine = _core.Engine(tables, state_dir=self.config.resolve(server.state_dir))
            self._warn(self.config, tables)
        except ValueError as error:
            self._release()
            raise StartError(str(error)) from None
        except BaseException:
            self._release()
            raise
        self._ledger = self._make_ledger() if make_engine is None else None
        self._following: Following | None = None
        self._follow_keys()
        self._complaints = Complaints(logger)
        self._drills: Drills | None = None
        self._resume_drills()
        self._limits: Limits | None = None
        self._resume_limits()
        self._open.add(self)

    @classmethod
    def of_this_process(cls) -> "ControlPlane | None":
        """The gateway that was opened last in this process and is still open."""
        return max(cls._open, key=lambda control: control.started_s, default=None)

    def serve(self) -> tuple[str, str | None]:
        """Open the native door; the bound addresses of gateway and admin.

        Raises:
            StartError: A port is taken, or a certificate can't be used.
        """
        server = self.config.settings.server
        try:
            bound = self.engine.serve(
                listen=server.listen,
                admin=None if server.admin == "off" else server.admin,
                threads=server.threads or len(os.sched_getaffinity(0)),
                tls_certificate=self.config.resolve(server.tls.certificate) if server.tls else None,
                tls_key=self.config.resolve(server.tls.key) if server.tls else None,
            )
        except (OSError, ValueError) as error:
            addresses = server.listen if server.admin == "off" else f"{server.listen} and {server.admin}"
            raise StartError(f"can't listen on {addresses}: {error}") from None
        self._serving = True
        self.admin_address = bound[1]
        return bound

    @property
    def mock_address(self) -> str | None:
        """Where the built-in mock provider listens, while it is in use."""
        return self._mock.address if self._mock is not None and self.config.mock else None

    @property
    def file(self) -> Path | None:
        """The configuration's file."""
        return self._file

    @property
    def drills(self) -> "Drills":
        """The failover drills of this gateway.

        Raises:
            StartError: Another process of this server holds the state directory, and with it the drills.
        """
        with self._reloading:
            if self._drills is None:
                if self._lock is None:
                    raise StartError("drills belong to the process that holds the state directory")
                self._open_drills()
            return cast("Drills", self._drills)

    @property
    def limits(self) -> "Limits":
        """The limits of this gateway.

        Raises:
            StartError: Another process of this server holds the state directory, and with it the limits.
        """
        with self._reloading:
            if self._limits is None:
                if self._lock is None:
                    raise StartError("limits belong to the process that holds the state directory")
                self._open_limits()
            return cast("Limits", self._limits)

    def tables(self) -> bytes:
        """The configuration in force as the engine takes it; holds credentials."""
        return self._compile(self.config)

    def poll(self) -> bool | None:
        """Reload if the file has changed and has then stayed the same for one poll; what `reload` says, or
        None. Logs what the engine has to say.

        Waiting one poll keeps a half-written file from being read.
        """
        for is_warning, text in self.engine.take_notices():
            logger.log(logging.WARNING if is_warning else logging.INFO, "%s", text)
        if self._drills is not None:
            self._look_after("drills", self._drills.poll)
        if self._limits is not None:
            self._look_after("limits", self._limits.poll)
        if self._ledger is not None:
            self._ledger.poll()
        now = signature(self._file)
        changed, self._seen = now != self._seen, now
        if changed or now == self._settled:
            return None
        self._settled = now
        if now is None:
            logger.warning("%s is gone; the configuration stays as it is", self._file)
            return None
        return self.reload()

    def reload(self) -> bool:
        """Read the configuration again; whether it is now in force. What is wrong with it is logged."""
        try:
            self.apply()
        except (FastgateError, ValueError, OSError) as error:
            logger.error("configuration rejected, the old one stays in force:\n%s", error)
            return False
        return True

    def apply(self) -> list[str]:
        """Read the configuration again and put it in force; what of it needs a restart.

        Raises:
            FastgateError, ValueError, OSError: What is wrong with it; the old one stays in force.
        """
        with self._reloading:
            self._settled = self._seen = signature(self._file)
            config = self._load()
            self._check_exposure(config)
            if self._lock is None:
                check_shared(config)
            tables = self._compile(config)
            self.engine.reload(tables)
            self.config = config
            self.generation += 1
            self._follow_keys()
            self._configure_drills()
            self._configure_limits()
            logger.info("configuration reloaded")
            self._warn(config, tables)
            waiting = self._needs_restart(config)
            if waiting:
                logger.warning("needs a restart to take effect: %s", ", ".join(waiting))
            return waiting

    def watch(self, stop: threading.Event, interval_s: float = POLL_S) -> None:
        """Poll until `stop` is set; for a thread of its own."""
        while not stop.wait(interval_s):
            try:
                self.poll()
            except Exception:
                logger.exception("watching the configuration failed; trying again")

    def close(self, grace_s: float | None = None) -> bool:
        """Stop the engine and free the directory; whether what was in flight finished. Again is no error."""
        with self._closing:
            if self._closed:
                return True
            self._closed = True
        self._open.discard(self)
        grace = self.config.settings.server.shutdown_grace / 1000 if grace_s is None else grace_s
        if self._following:
            self._following.stop()
        if self._drills is not None:
            self._drills.close()
        if self._limits is not None:
            self._limits.close()
        try:
            return self.engine.stop(grace)
        finally:
            # Behind the engine, so that it can load the last records.
            if self._ledger is not None:
                self._ledger.stop()
            self._release()

    def _load(self) -> Config:
        if self._values is not None:
            return load_values(self._values, self._environment, listen=self._listen)
        return load(self._file, self._environment, listen=self._listen)

    def _compile(self, config: Config) -> bytes:
        if config.mock and self._mock is None:
            # A gateway that runs for days on its mock must not keep what it was sent.
            self._mock = self._make_mock() if self._make_mock else _core.MockProvider(record=False)
        return compile_tables(config, mock_address=self._mock.address if self._mock else None)

    def _warn(self, config: Config, tables: bytes) -> None:
        for warning in [*route_warnings(config, tables), *limit_warnings(config)]:
            logger.warning("%s", warning)

    def _follow_keys(self) -> None:
        """Keep the keys of the configured token issuers current; the first call waits a moment for them."""
        if not self._following and not self.config.settings.auth.jwt:
            return
        # HTTP and TLS cost memory that a gateway without issuers does not need.
        from fastgate.jwks.following import FIRST_WAIT_S, Following
        from fastgate.jwks.source import sources

        is_first = self._following is None
        self._following = self._following or Following(self.engine)
        self._following.follow(sources(self.config), wait_s=FIRST_WAIT_S if is_first else 0)

    @property
    def state_dir(self) -> Path:
        """Where this gateway keeps its data; a reload can't change it."""
        return Path(self.config.resolve(self._active_server.state_dir))

    def _make_ledger(self) -> "LedgerProcess | None":
        """The loader of the records; one process of a server has it, as it has the state directory."""
        if self._lock is None:
            return None
        from fastgate.billing.ledger.process import LedgerProcess

        return LedgerProcess(self.state_dir)

    def _resume_drills(self) -> None:
        """Go on with drills where there are any: the code for them is memory that most gateways save."""
        if self._lock is None:
            return
        if not self.config.settings.drills and not (self.state_dir / "drills").is_dir():
            return
        try:
            self._open_drills()
        except Exception:
            # Nothing about a drill is worth a gateway.
            logger.exception("drills can't be gone on with")

    def _configure_drills(self) -> None:
        if self._drills is None:
            self._resume_drills()
            return
        try:
            self._drills.configure(self._known())
        except Exception:
            logger.exception("drills do not follow the configuration")

    def _open_drills(self) -> None:
        from fastgate.drills.running import Drills
        from fastgate.drills.running import Engine as DrillEngine

        self._drills = Drills(cast(DrillEngine, self.engine), self.state_dir, self._known())

    def _known(self) -> "Known":
        from fastgate.config.settings import DEFAULT_TENANT
        from fastgate.drills.running import Known
        from fastgate.drills.schedule import scheduled

        settings = self.config.settings
        return Known(
            providers=tuple(settings.providers),
            tenants=(DEFAULT_TENANT, *settings.tenants),
            drills=scheduled(settings),
        )

    def _look_after(self, what: str, poll: Callable[[], None]) -> None:
        try:
            poll()
            self._complaints.settle(what)
        except Exception as error:
            self._complaints.say_caught(what, f"looking after the {what} failed; trying again", error)

    def _resume_limits(self) -> None:
        """Look after limits where there are any: the code for them is memory that other gateways save."""
        if self._lock is None:
            return
        if not rules(self.config.settings) and not (self.state_dir / "limits").is_dir():
            return
        try:
            self._open_limits()
        except Exception:
            # The engine enforces them all the same.
            logger.exception("limits are not looked after")

    def _configure_limits(self) -> None:
        if self._limits is None:
            self._resume_limits()
            return
        try:
            self._limits.configure(self.config.settings)
        except Exception:
            logger.exception("raises of limits do not follow the configuration")

    def _open_limits(self) -> None:
        from fastgate.limits.watching import Engine as LimitEngine
        from fastgate.limits.watching import Limits

        self._limits = Limits(cast(LimitEngine, self.engine), self.state_dir, self.config.settings)

    def _check_exposure(self, config: Config) -> None:
        """What `load` checks against the file's `listen` holds for the listener that runs as well."""
        if is_loopback(self._active_server.listen):
            return
        file = str(self._file) if self._file else None
        if config.settings.is_keyless:
            raise ConfigError(
                f"the last key can't go while the gateway listens on {self._active_server.listen}",
                path="keys",
                file=file,
            )
        if config.mock:
            raise ConfigError("the built-in mock provider serves loopback only", path="providers", file=file)

    def _needs_restart(self, config: Config) -> list[str]:
        old, new = self._active_server, config.settings.server
        names = ("listen", "admin", "state_dir", "threads", "tls")
        changed = [f"server.{name}" for name in names if getattr(old, name) != getattr(new, name)]
        if config.settings.telemetry.label_values != self._active_label_values:
            changed.append("telemetry.label_values")
        return changed

    def _release(self) -> None:
        if self._mock is not None:
            self._mock.stop()
        if self._lock is not None:
            self._lock.release()


def check_shared(config: Config) -> None:
    """See that a configuration can be in force in several processes at once, each with counts of its own.

    Raises:
        ConfigError: It has a limit that must never be exceeded.
    """
    hard = next((rule for rule in rules(config.settings) if rule.is_hard), None)
    if hard is not None:
        raise ConfigError(
            f'"{hard.name}" is hard, and several workers can\'t keep it together',
            path=dotted(hard.path),
            file=config.source.file,
            line=config.source.line(hard.path),
            hint="run one worker (fastgate serve uses all cores with one), or set hard = false",
        )


def signature(file: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file does, a symlink's target included: modification time, size, inode."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
