"""Pages and static files are found in the checkout and in an installed package."""

from wx import paths


def test_the_checkout_has_them_beside_the_package():
    assert (paths.TEMPLATES / "base.html").is_file()
    assert (paths.STATIC / "app.css").is_file()


def test_an_installed_package_has_them_inside(tmp_path, monkeypatch):
    package = tmp_path / "wx"
    (package / "static").mkdir(parents=True)
    monkeypatch.setattr(paths, "_PACKAGE", package)
    assert paths._folder("static") == package / "static"
    assert paths._folder("templates") == tmp_path / "templates"
