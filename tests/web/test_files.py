"""The files that the configuration names."""

import pytest

from tests.world import World


@pytest.mark.gen_test(timeout=20)
async def test_the_verification_file_is_its_bare_code_for_exact_names_only(world: World) -> None:
    await world.reconfigure(domain_verification="Abc123,Xyz789")
    desktop = world.desktop()
    for code in ("Abc123", "Xyz789"):
        answer = await desktop.fetch(f"/MP_verify_{code}.txt")
        assert (answer.code, answer.body) == (200, code.encode())
        assert answer.headers["Content-Type"].startswith("text/plain")
    for path in (
        "/MP_verify_abc123.txt",
        "/MP_verify_Abc1234.txt",
        "/MP_verify_.txt",
        "/MP_verify_Abc123.txt/",
        "/MP_verify_Abc123xtxt",
        "/MP_verify_Abc123.txt%0A",
        "/x/MP_verify_Abc123.txt",
        "/MP_verify_" + "a" * 65 + ".txt",
        "/MP_verify_..%2f..%2fserver.key.txt",
    ):
        assert (await desktop.fetch(path)).code == 404, path


@pytest.mark.gen_test(timeout=20)
async def test_without_codes_there_is_no_verification_file(world: World) -> None:
    assert (await world.desktop().fetch("/MP_verify_Abc123.txt")).code == 404


@pytest.mark.gen_test(timeout=20)
async def test_the_follow_picture_is_shown_where_there_is_one(world: World) -> None:
    desktop = await world.signed_in()
    assert (await desktop.fetch("/follow-qr")).code == 404
    assert "/follow-qr" not in (await desktop.fetch("/bind")).body.decode()
    picture = world.folder / "follow.PNG"
    picture.write_bytes(b"\x89PNG picture")
    await world.reconfigure(follow_qr=str(picture))
    desktop = await world.signed_in()
    answer = await world.desktop().fetch("/follow-qr")
    assert (answer.code, answer.body) == (200, b"\x89PNG picture")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "/follow-qr" in (await desktop.fetch("/bind")).body.decode()
    picture.unlink()
    assert (await world.desktop().fetch("/follow-qr")).code == 404
