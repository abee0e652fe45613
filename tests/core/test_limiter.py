"""`Limiter` against a reference that looks at every window."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reference import gcra

from fastgate.core import Denied, Limiter, Reservation

SECOND_NS = 1_000_000_000

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 20 * SECOND_NS), st.none()),
        st.tuples(st.just("acquire"), st.integers(0, 12), st.none()),
        st.tuples(st.just("reserve"), st.integers(0, 12), st.none()),
        st.tuples(st.just("settle"), st.integers(0, 20), st.integers(0, 10)),
    ),
    max_size=50,
)


@given(rate=st.integers(1, 100), burst=st.integers(1, 12), steps=STEPS)
def test_behaves_as_the_reference(rate: int, burst: int, steps: list[tuple[str, int, int | None]]) -> None:
    limiter = Limiter(rate, burst, hold_s=30)
    reference = gcra.Limiter(rate, burst, 30 * SECOND_NS)
    reservations: list[tuple[Reservation, gcra.Admission]] = []
    now_ns = 1
    for name, amount, which in steps:
        if name == "wait":
            now_ns += amount
        elif name == "acquire":
            admitted = reference.admit(amount, now_ns) is not None
            assert limiter.try_acquire(amount, now_ns=now_ns) == admitted
        elif name == "reserve":
            reserved = limiter.reserve(amount, now_ns=now_ns)
            admission = reference.admit(amount, now_ns, reserve=True)
            assert isinstance(reserved, Reservation) == (admission is not None)
            if isinstance(reserved, Reservation) and admission is not None:
                reservations.append((reserved, admission))
        elif reservations and which is not None:
            # Some are settled again, and some after they expired.
            reserved, admission = reservations[which % len(reservations)]
            settled = reference.settle(admission, amount, now_ns)
            assert limiter.reconcile(reserved, amount, now_ns=now_ns) == settled
        assert limiter.available(now_ns=now_ns) == reference.available(now_ns)


def test_waiting_as_told_is_enough() -> None:
    limiter = Limiter(rate_per_minute=7, burst=3)
    assert limiter.try_acquire(3, now_ns=0)
    denied = limiter.reserve(2, now_ns=0)
    assert isinstance(denied, Denied)
    assert not denied
    wait_ns = denied.retry_after_ns
    assert wait_ns is not None
    assert not limiter.try_acquire(2, now_ns=wait_ns - 1)
    assert limiter.try_acquire(2, now_ns=wait_ns)


def test_a_cost_above_the_burst_never_fits() -> None:
    limiter = Limiter(600)
    assert limiter.burst == 100
    assert Limiter(5).burst == 1
    denied = limiter.reserve(101)
    assert isinstance(denied, Denied)
    assert denied.retry_after_ns is None
    assert repr(denied) == "Denied(retry_after_ns=None)"


@pytest.mark.parametrize(("rate", "burst"), [(0, None), (1, 0), (2**53 + 1, None)])
def test_what_is_out_of_range_is_refused(rate: int, burst: int | None) -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        Limiter(rate, burst)
    with pytest.raises(OverflowError):
        Limiter(1).try_acquire(-1)


def test_a_reservation_belongs_to_its_limiter() -> None:
    reserved = Limiter(600).reserve(1)
    assert isinstance(reserved, Reservation)
    with pytest.raises(ValueError, match="another limiter"):
        Limiter(600).refund(reserved)


def test_many_threads_share_one_rate_exactly() -> None:
    limiter = Limiter(1, 1000)
    counts: list[int] = []

    def take() -> None:
        admitted = 0
        for index in range(2000):
            reserved = limiter.reserve(1, now_ns=0)
            if isinstance(reserved, Reservation):
                if index % 2:
                    admitted += 1
                else:
                    assert limiter.refund(reserved, now_ns=0)
        counts.append(admitted)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 1000
    assert limiter.available(now_ns=0) == 0
