"""The outbox of a real process that is killed, cut off, full, locked, stopped, its clock set:
nothing is lost, doubled or out of order. ``make faults`` does the same at large."""

from pathlib import Path

import pytest

from tests.faults import kills, platform, stops, storage


@pytest.mark.gen_test(timeout=100)
async def test_killed_at_any_moment_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    result = await kills.kills(tmp_path, count=2 * len(kills.FAILPOINTS))
    assert result.wrong() == []
    # The kills came while something was on its way.
    assert result.verdict.accepted > 100 and result.verdict.unknown


@pytest.mark.gen_test(timeout=100)
async def test_whatever_the_platform_does_all_is_accepted_and_leaves_when_it_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine must not look like a wrong answer; the large run goes by the promise.
    monkeypatch.setattr(platform, "MOST_SECONDS", 3.0)
    result = await platform.outage(tmp_path, platform.WAYS, seconds=0.4, between=0.2)
    assert result.wrong() == []
    assert result.backlog > 10


@pytest.mark.gen_test(timeout=100)
async def test_a_dead_access_token_under_many_notices_is_replaced_once(tmp_path: Path) -> None:
    result = await platform.dead_token(tmp_path, count=300)
    assert result.wrong() == []


@pytest.mark.gen_test(timeout=100)
async def test_a_full_disk_is_told_and_needs_no_restart(tmp_path: Path) -> None:
    result = await storage.full_disk(tmp_path / "site", seconds=0.3)
    assert result.wrong() == []
    assert result.refused


@pytest.mark.gen_test(timeout=100)
async def test_a_locked_database_delays_for_five_seconds_and_is_told_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQLite counts how long it meant to sleep, which a busy machine makes longer.
    monkeypatch.setattr(storage, "LATEST_SECONDS", 9.9)
    result = await storage.locked(tmp_path, seconds=10)
    assert result.wrong() == []
    assert result.refused
    assert result.verdict.accepted, "those who came in the last seconds of it had only to wait"


@pytest.mark.gen_test(timeout=100)
async def test_what_is_on_its_way_when_the_server_is_stopped_is_waited_for(tmp_path: Path) -> None:
    result = await stops.stops(tmp_path, times=2)
    assert result.wrong() == []
    assert result.verdict.unknown == 0


@pytest.mark.gen_test(timeout=100)
async def test_a_clock_that_jumps_ends_nothing_too_early_and_holds_nothing_up(
    tmp_path: Path,
) -> None:
    result = await stops.jumps(tmp_path, seconds=0.15)
    assert result.wrong() == []
