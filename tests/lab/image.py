"""A suite's root file system, as an image that boots copy-on-write."""

import shlex
import shutil
import sys
import uuid
from pathlib import Path

from . import cache, host, project
from .kernel import STALE_IS_FINE
from .recipe import PACKAGES, Recipe, Suite

FILES = Path(__file__).parent / "files"

SIZE = "4G"  # sparse: what a guest may write, more than what an image takes

# Nobody reads these in a guest, and unpacking them takes a quarter of the time.
WITHOUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def recipe(suite: Suite) -> Recipe:
    """Return the suite's recipe, from the checkout as it is now."""
    files = {str(path.relative_to(FILES)): path.read_bytes() for path in FILES.rglob("*") if path.is_file()}
    requirements = project.LOCK.read_text(encoding="utf-8").splitlines()
    return Recipe(suite=suite, packages=PACKAGES, requirements=requirements, files=files)


def name(wanted: Recipe) -> str:
    """Return what the cache calls the image of a recipe."""
    return f"{wanted.suite.name}-{wanted.key}.ext4"


def exists(suite: Suite) -> bool:
    """Return whether the suite's image is there already."""
    return (cache.folder() / name(recipe(suite))).exists()


def image(suite: Suite) -> Path:
    """Return the suite's image, built if the cache lacks it."""
    wanted = recipe(suite)
    return cache.cached(suite.name, name(wanted), lambda target: build(wanted, target))


def build(wanted: Recipe, target: Path) -> None:
    """Make the image `target`."""
    host.prepare()
    root = target.with_suffix(".root")
    install_packages(wanted, root)
    install_wheels(wanted, root)
    shutil.copytree(FILES, root, dirs_exist_ok=True)
    (root / "etc/hostname").write_text(f"{wanted.suite.name}\n", encoding="ascii")
    # Without a machine-id each boot is a first boot, which presets every unit again.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
    host.run(["chroot", root, "/bin/sh", "/customize.sh"])
    # No journal: a guest is never booted twice. Zeroes need not be written to a file that is sparse.
    options = ["-O", "^has_journal", "-E", "lazy_itable_init=0,assume_storage_prezeroed=1", "-m", "0"]
    host.run(["mke2fs", "-q", "-t", "ext4", *options, "-d", root, target, SIZE])


def install_packages(wanted: Recipe, root: Path) -> None:
    """Put the Debian packages into the folder `root`."""
    include = "--include=" + ",".join(wanted.packages)
    # By dpkg's own configuration: mmdebstrap would filter each archive in Perl, which takes longer than to unpack it.
    leave_out = f"cd \"$1/etc\" && mkdir -p dpkg/dpkg.cfg.d && printf 'path-exclude=%s\\n' {shlex.join(WITHOUT)}"
    leave_out += " > dpkg/dpkg.cfg.d/lab"
    options = ["--variant=minbase", "--format=directory", include, STALE_IS_FINE, f"--setup-hook={leave_out}"]
    host.run(["mmdebstrap", *options, wanted.suite.name, root, *host.mirror()])


def install_wheels(wanted: Recipe, root: Path) -> None:
    """Put the Python packages where Debian's python3 looks for an administrator's."""
    requirements = root.with_suffix(".txt")
    requirements.write_text("\n".join(wanted.requirements), encoding="utf-8")
    python = wanted.suite.python
    platforms = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
    foreign = ["--only-binary=:all:", "--python-version", python, "--no-compile"]
    foreign += [f"--platform={platform}" for platform in platforms]
    target = root / f"usr/local/lib/python{python}/dist-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    host.run([*pip, *foreign, "--target", target, "--requirement", requirements])
