"""What an attacker may do to a signature: never is it accepted, never does anything but our errors come out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.signing import NOW, At, Vendor

from appliance.errors import ApplianceError, VerificationError
from appliance.trust import cms, envelope, judgement
from appliance.trust.envelope import Signature

if TYPE_CHECKING:
    from appliance.trust.policy import Trust

DATA = b'{"name":"etcd"}'


@cache
def signed() -> tuple[tuple[Signature, ...], Trust]:
    vendor = Vendor.create()
    return envelope.sign(DATA, [vendor.signer()], At()), vendor.trust()


def flipped(data: bytes, where: float, bits: int) -> bytes:
    index = int(where * len(data))
    return data[:index] + bytes([data[index] ^ bits]) + data[index + 1 :]


PLACES = st.floats(min_value=0, max_value=1, exclude_max=True)


def accepted(area: bytes) -> bool:
    try:
        return judgement.check(DATA, envelope.unpack(area), signed()[1], now=NOW).accepted
    except VerificationError:
        return False


def test_the_untouched_area_is_accepted() -> None:
    assert accepted(envelope.pack(signed()[0]))


@given(where=PLACES, bits=st.integers(1, 255))
def test_no_flipped_byte_of_the_signature_area_is_accepted(where: float, bits: int) -> None:
    assert not accepted(flipped(envelope.pack(signed()[0]), where, bits))


@given(where=PLACES, bits=st.integers(1, 255), which=st.integers(0, 1))
def test_no_flipped_byte_of_a_signature_is_accepted(where: float, bits: int, which: int) -> None:
    signatures = list(signed()[0])
    one = signatures[which]
    signatures[which] = Signature(one.keyid, one.form, flipped(one.value, where, bits))

    assert not judgement.check(DATA, signatures, signed()[1], now=NOW).accepted


def test_no_byte_of_a_p7s_is_without_meaning() -> None:
    signatures, trust = signed()
    p7s = signatures[0].value
    survivors = []
    for index in range(len(p7s)):
        changed = p7s[:index] + bytes([p7s[index] ^ 1]) + p7s[index + 1 :]
        verdict = judgement.check(DATA, [Signature(signatures[0].keyid, signatures[0].form, changed)], trust, now=NOW)
        survivors += [index] if verdict.accepted else []

    assert survivors == []


@given(start=PLACES, length=st.integers(1, 64), put=st.binary(max_size=64))
def test_a_p7s_with_bytes_replaced_is_read_or_refused(start: float, length: int, put: bytes) -> None:
    p7s = signed()[0][0].value
    index = int(start * len(p7s))
    changed = p7s[:index] + put + p7s[index + length :]

    try:
        verdict = judgement.check_detached(DATA, changed, signed()[1], now=NOW)
    except VerificationError:
        return
    assert not verdict.accepted or changed == p7s


@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_no_signature(data: bytes) -> None:
    for read in (cms.read, envelope.unpack):
        try:
            read(data)
        except ApplianceError:
            continue
        raise AssertionError(f"{read.__name__} took {data!r}")
